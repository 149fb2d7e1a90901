"""update_file_selection and list_file_selection: what somebody picked, under a guid of the client's own making."""

from packshot.domain.errors import InvalidValue, MissingField
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.call import Answer, Call
from packshot.protocols.finerworks.guids import about, missed, named
from packshot.protocols.finerworks.library import guid_of
from packshot.services import selections


async def update_file_selection(call: Call) -> Answer:
    """update_file_selection: these images instead of those before, in this order; what is not there is left out.

    Source: page PUT-v3-update_file_selection. Clients disagree about the answer: it has `guids` and `guid`.
    """
    guid = guid_of(_master(call.params))
    if guid is None:
        raise InvalidValue("guid", "has to be a guid")
    names = named(call)
    kept = await call.once(selections.replace, guid, list(names))
    return Answer({"guids": kept, "guid": guid}, about(missed(names, set(kept))))


async def list_file_selection(call: Call) -> Answer:
    """list_file_selection: those of the picked images that are still there; none where nobody knows the guid.

    Source: page GET-v3-list_file_selection_guid.
    """
    master = _master(call.query)
    guids = await selections.of_selection(call.core, call.caller, guid_of(master) or master)
    return Answer({"guids": guids})


def _master(fields: wire.Fields) -> str:
    master = wire.text(fields, "guid")
    if not master:
        raise MissingField("guid")
    return master
