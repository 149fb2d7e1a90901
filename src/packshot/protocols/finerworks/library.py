"""What all methods around images share: which library is meant, guids, and an image as FinerWorks shows it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from packshot.domain.errors import InvalidValue, MissingField
from packshot.domain.images import public_path, rendition_path
from packshot.domain.libraries import Files, LibraryImage, Place, short_name
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.call import Call

SESSION_CHARACTERS = range(8, 51)
"""How long a session_id may be."""

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def place_of(params: Mapping[str, Any]) -> Place | None:
    """The library that a call names, `inventory` unless it says another; None where it names none at all.

    A session_id is looked at in either, and is a part of the place in `temporary` only.
    Source: resource model image_library.

    Raises:
        MissingField: the temporary library of no session.
        InvalidValue: another name, or a session_id of fewer than 8 or more than 50 characters.
    """
    fields = _library(params)
    if fields is None:
        return None
    name = (wire.text(fields, "name", "library.") or "").strip().lower() or "inventory"
    session_id = wire.text(fields, "session_id", "library.")
    if session_id and len(session_id) not in SESSION_CHARACTERS:
        raise InvalidValue("library.session_id", "has to have between 8 and 50 characters")
    if name == "inventory":
        return Place()
    if name != "temporary":
        raise InvalidValue("library.name", "has to be inventory or temporary")
    if not session_id:
        raise MissingField("library.session_id")
    return Place("temporary", session_id)


def site_id_of(params: Mapping[str, Any]) -> int | None:
    """The site_id of the library that a call names, which nothing depends on. Raises: InvalidValue."""
    fields = _library(params)
    return None if fields is None else wire.integer(fields, "site_id", "library.")


def _library(params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    fields = params.get("library")
    if fields in (None, ""):
        return None
    if not isinstance(fields, dict):
        raise InvalidValue("library", "has to be an object")
    return fields


def guid_of(value: object) -> str | None:
    """A guid in lower case with its hyphens; None where *value* is no text of that form."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if _GUID.fullmatch(text) else None


def write_image(call: Call, image: LibraryImage, products: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An image with every documented field, those of the newer host too, null where there is nothing.

    *products* are those of the virtual inventory, None where nobody asked. Source: resource model image_details.
    """
    files = files_of(call, image)
    return {
        "id": image.id,
        "guid": image.guid,
        "title": image.title,
        "description": image.description,
        "file_name": image.name,
        "file_size": image.size_bytes,
        "thumbnail_file_name": files.thumbnail_name,
        "preview_file_name": files.preview_name,
        "hires_file_name": files.hires_name,
        "public_thumbnail_uri": files.thumbnail_uri,
        "public_preview_uri": files.preview_uri,
        "personal_gallery_title": None,
        "members_gallery_category": None,
        "private_hires_uri": files.hires_uri,
        "pix_w": image.width_px,
        "pix_h": image.height_px,
        "date_added": wire.write_date(image.created_at, call.zone),
        "date_updated": _date(call, image.updated_at),
        "date_expires": _date(call, image.expires_at),
        "active": image.active,
        "products": products,
        "assigned_gallery_subcategory_ids": None,
        "assigned_personal_gallery_ids": None,
        "username": None,
        "account_key": None,
        "artistname": None,
        "rank": None,
    }


def files_of(call: Call, image: LibraryImage) -> Files:
    """The files of an image; those of one that is hosted here are its renditions and the public original."""
    if image.files:
        return image.files
    host, name = host_of(call), short_name(image.name)
    thumbnail, preview = (
        host + rendition_path(str(image.address), preset, name, image.version) for preset in ("thumbnail", "preview")
    )
    original = host + public_path(str(image.address), name, image.version)
    return Files(original, image.name, image.name, image.name, thumbnail, preview)


def host_of(call: Call) -> str:
    """What the addresses of pictures begin with in the answer to a call."""
    return call.core.delivery.base_url or call.base_url


def _date(call: Call, moment: int | None) -> str | None:
    return None if moment is None else wire.write_date(moment, call.zone)
