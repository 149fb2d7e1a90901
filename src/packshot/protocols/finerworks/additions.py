"""add_images: images that lie with somebody else, taken into a library by their addresses."""

import re

from packshot.domain.errors import InvalidValue, MissingField
from packshot.domain.images import cleaned_name
from packshot.domain.libraries import NO_GUID, Files, NewLibraryImage, Place
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.call import Answer, Call
from packshot.protocols.finerworks.library import guid_of, place_of, site_id_of, write_image
from packshot.services import ingest, libraries
from packshot.services.images import new_guid

MAX_IMAGES = 5
MAX_TEXT_CHARACTERS = 300
"""Of a title and of a description; no source has a limit for titles."""

MAX_URI_CHARACTERS = 500

# What a web page may show as a picture or link to, as it is: no scripts.
_URI = re.compile(r"https?://[^\s/?#\x00-\x1f\x7f][^\x00-\x1f\x7f]*", re.IGNORECASE)


async def add_images(call: Call) -> Answer:
    """add_images: up to five images, all or none. Nothing is fetched, and what is said of the files is believed.

    With the setting `ingest` they are fetched and hosted here, and what is said of them does not count.
    Source: page POST-v3-add_images.
    """
    asked = wire.objects(call.params, "images", MAX_IMAGES)
    if not asked:
        raise InvalidValue("images", "has no elements")
    place, site_id = place_of(call.params) or Place(), site_id_of(call.params)
    news = [_read(call, place, site_id, fields, f"images[{index}].") for index, fields in enumerate(asked)]
    add = ingest.add_images if call.core.libraries.ingest else libraries.add_images
    images = await call.once(add, news)
    return Answer({"images": [write_image(call, image) for image in images]})


def _read(call: Call, place: Place, site_id: int | None, fields: wire.Fields, within: str) -> NewLibraryImage:
    name = _file_name(fields, "file_name", within)
    if not name:
        raise MissingField(f"{within}file_name")
    title = wire.text(fields, "title", within, most=MAX_TEXT_CHARACTERS)
    return NewLibraryImage(
        guid=_guid(fields, within) or new_guid(),
        place=place,
        name=name,
        title=name if title is None else title,
        description=wire.text(fields, "description", within, most=MAX_TEXT_CHARACTERS),
        created_at=call.core.now(),
        expires_at=libraries.expiry(call.core, place),
        site_id=site_id,
        files=_files(fields, within),
        size_bytes=_count(fields, "file_size", within),
        width_px=_count(fields, "pix_w", within),
        height_px=_count(fields, "pix_h", within),
    )


def _files(fields: wire.Fields, within: str) -> Files:
    hires_uri = _uri(fields, "private_hires_uri", within)
    if not hires_uri:
        raise MissingField(f"{within}private_hires_uri")
    return Files(
        hires_uri,
        _file_name(fields, "thumbnail_file_name", within),
        _file_name(fields, "preview_file_name", within),
        _file_name(fields, "hires_file_name", within),
        _uri(fields, "public_thumbnail_uri", within),
        _uri(fields, "public_preview_uri", within),
    )


def _file_name(fields: wire.Fields, name: str, within: str) -> str | None:
    """Cleaned and cut instead of refused, as the page says."""
    text = wire.text(fields, name, within)
    return text and cleaned_name(text)


def _uri(fields: wire.Fields, name: str, within: str) -> str | None:
    uri = wire.text(fields, name, within, most=MAX_URI_CHARACTERS)
    if uri and not _URI.fullmatch(uri):
        raise InvalidValue(within + name, "has to be an address that begins with http:// or https://")
    return uri


def _count(fields: wire.Fields, name: str, within: str) -> int:
    """How many bytes or pixels; 0 where nobody knows."""
    count = wire.integer(fields, name, within) or 0
    if count < 0:
        raise InvalidValue(within + name, "is not less than nothing")
    return count


def _guid(fields: wire.Fields, within: str) -> str | None:
    """The guid that the caller chose; None, `""` and the empty guid are none."""
    text = wire.text(fields, "guid", within)
    guid = guid_of(text)
    if text and guid is None:
        raise InvalidValue(f"{within}guid", "has to be a guid")
    return None if guid == NO_GUID else guid
