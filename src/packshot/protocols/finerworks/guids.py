"""Lists of guids as clients send them, and the sentence about those that are not there."""

from collections.abc import Collection, Mapping

from packshot.domain.errors import InvalidValue, MissingField
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.call import Call
from packshot.protocols.finerworks.library import guid_of

MAX_GUIDS = 500
_SHOWN_CHARACTERS = 60


def named(call: Call, most: int = MAX_GUIDS) -> dict[str, str]:
    """The `guids` of a call, each once and in their order: as we write them, with how the client does.

    A text that is no guid stands for itself, and so do numbers and null: there is no such image, which is no error.

    Raises:
        MissingField: there is no list.
        InvalidValue: it is none, has more than *most* different guids, or elements that are no text at all.
    """
    elements = wire.items(call.params, "guids")
    if elements is None:
        raise MissingField("guids")
    found: dict[str, str] = {}
    for index, element in enumerate(elements):
        if isinstance(element, bool | dict | list):
            raise InvalidValue(f"guids[{index}]", "has to be text")
        written = "null" if element is None else str(element)
        found.setdefault(guid_of(written) or written, written)
        if len(found) > most:
            raise InvalidValue("guids", f"has more than {most} elements")
    return found


def missed(names: Mapping[str, str], there: Collection[str]) -> list[str]:
    """Those of the guids that are not *there*, as the client wrote them; long ones are cut."""
    return [written[:_SHOWN_CHARACTERS] for guid, written in names.items() if guid not in there]


def about(missing: Collection[str]) -> str:
    """The sentence that names them, empty if there are none: the same for whatever reason they are not there."""
    return f"There are no images with these guids: {', '.join(missing)}" if missing else ""
