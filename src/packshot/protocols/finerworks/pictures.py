"""What FinerWorks does not have: what pictures look like, what matters in them, and any rendition of them. All ours."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from msgspec import UNSET

from packshot.domain.errors import InvalidRequest, InvalidValue, MissingField
from packshot.domain.originals import Privacy
from packshot.domain.renditions import FORMATS, MAX_DENSITY, Fit, RenditionSpec, at_density, key, wished
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.call import Answer, Call
from packshot.protocols.finerworks.guids import about, missed, named
from packshot.protocols.finerworks.library import guid_of, host_of, place_of
from packshot.protocols.finerworks.wire import Field
from packshot.services import pictures
from packshot.services.pictures import Change

MAX_IMAGES = 50
MAX_RENDITIONS = 100

_COLOUR = re.compile(r"#?[0-9a-f]{6}", re.IGNORECASE)
_FITS: dict[str, Fit] = {name: name for name in get_args(Fit)}
_PRIVACIES: dict[str, Privacy] = {name: name for name in get_args(Privacy)}


async def describe_images(call: Call) -> Answer:
    """describe_images: what there is to say of up to 50 pictures. It may take long where nobody has decoded them yet.

    `picture` is null where its file lies with somebody else, is lost, or cannot be decoded.
    """
    return await _described(call, named(call, MAX_IMAGES))


async def update_pictures(call: Call) -> Answer:
    """update_pictures: what to keep in view of up to 50 pictures, and what their public originals lose.

    What is missing stays; null is the middle, and what the settings say. All are changed or none; guids that are not
    there are passed over as in update_images.
    """
    changes = [
        _change(fields, f"images[{number}].")
        for number, fields in enumerate(wire.objects(call.params, "images", MAX_IMAGES))
    ]
    found = await call.once(pictures.change, changes, place_of(call.params))
    return await _described(
        call, {change.guid: change.guid for change in changes}, 200 if found or not changes else 404
    )


async def sign_renditions(call: Call) -> Answer:
    """sign_renditions: addresses of up to 100 renditions of one image, in their order, for everybody who knows them.

    Each is a name as it stands in addresses, or an object that one is made of. With `expires_s` those that are signed
    end after so many seconds.
    """
    params = call.params
    guid = (wire.text(params, "guid") or "").strip()
    if not guid:
        raise MissingField("guid")
    asked = wire.items(params, "renditions")
    if asked is None:
        raise MissingField("renditions")
    if len(asked) > MAX_RENDITIONS:
        raise InvalidValue("renditions", f"has more than {MAX_RENDITIONS} elements")
    names = [_rendition(call, element, f"renditions[{number}]") for number, element in enumerate(asked)]
    lasts_s = wire.integer(params, "expires_s")
    paths = await pictures.addresses(call.core, call.caller, guid_of(guid) or guid, names, lasts_s, place_of(params))
    host = host_of(call)
    return Answer({"renditions": [{"name": name, "url": host + path} for name, path in zip(names, paths, strict=True)]})


async def _described(call: Call, names: dict[str, str], code: int = 200) -> Answer:
    said = await pictures.describe(call.core, call.caller, list(names), host_of(call), place_of(call.params))
    images = [{"guid": guid, "picture": picture} for guid, picture in said.items()]
    return Answer({"images": images}, about(missed(names, said)), code)


def _change(fields: wire.Fields, within: str) -> Change:
    guid = (wire.text(fields, "guid", within) or "").strip()
    if not guid:
        raise MissingField(f"{within}guid")
    return Change(
        guid_of(guid) or guid,
        _focus(fields, within) if "focus" in fields else UNSET,
        _word(fields, "privacy", _PRIVACIES, within) if "privacy" in fields else UNSET,
    )


def _focus(fields: wire.Fields, within: str) -> tuple[float, float] | None:
    value = fields["focus"]
    if value in (None, ""):
        return None
    if not isinstance(value, dict):
        raise InvalidValue(f"{within}focus", "has to be an object")
    x, y = (wire.number(value, name, f"{within}focus.", most=1) for name in "xy")
    if x is None or y is None:
        raise MissingField(f"{within}focus.{'x' if x is None else 'y'}")
    return x, y


def _rendition(call: Call, value: Any, within: str) -> str:
    """The name of a rendition as it stands in its address."""
    try:
        if isinstance(value, dict):
            return _name(value)
        name = wire.text({"name": value}, "name") or ""
        wished(name, call.core.presets)
    except InvalidRequest as error:
        raise InvalidValue(within, str(error)) from None
    return name


def _name(fields: wire.Fields) -> str:
    form = _word(fields, "format", FORMATS)
    spec = RenditionSpec(
        wire.integer(fields, "width"),
        wire.integer(fields, "height"),
        _word(fields, "fit", _FITS) or "inside",
        (_focus(fields, "") if "focus" in fields else None) or (0.5, 0.5),
        _colour(fields),
        form or "jpeg",
        wire.integer(fields, "quality"),
    )
    density = wire.number(fields, "dpr", most=MAX_DENSITY)
    name = key(at_density(spec, 1 if density is None else density))
    return name if form else name.removesuffix(".jpeg")


def _colour(fields: wire.Fields) -> tuple[int, int, int]:
    written = (wire.text(fields, "background") or "ffffff").strip()
    if not _COLOUR.fullmatch(written):
        raise InvalidValue("background", "has to be a colour like #ffffff")
    red, green, blue = bytes.fromhex(written.removeprefix("#"))
    return red, green, blue


def _word(fields: wire.Fields, name: str, known: Mapping[str, Field], within: str = "") -> Field | None:
    """What the field stands for, out of the words that are *known*; None where it is null, missing or empty."""
    word = (wire.text(fields, name, within) or "").strip().lower()
    if word and word not in known:
        raise InvalidValue(within + name, f"has to be one of {', '.join(known)}")
    return known.get(word)
