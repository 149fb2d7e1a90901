"""Libraries: an account's images as FinerWorks sees them, with or without a product."""

import re
import unicodedata
from typing import Literal

import msgspec

from packshot.domain.images import ImageRole
from packshot.domain.originals import MediaType

Library = Literal["inventory", "temporary"]
"""`inventory` is the account's for good; `temporary` holds the uploads of one browser session for some days."""

NO_GUID = "00000000-0000-0000-0000-000000000000"
"""What FinerWorks writes where there is none."""

SHORT_NAME_CHARACTERS = 100
"""How much of a file's name the addresses end with that FinerWorks' clients get."""

_NO_PLAIN_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")


class Place(msgspec.Struct, frozen=True):
    """Where images lie: in the inventory, or in the temporary library of the session `session_id`."""

    library: Library = "inventory"
    session_id: str | None = None


class Files(msgspec.Struct, frozen=True):
    """The files of an image that lies with somebody else: their names, and the addresses they are fetched from.

    Names and addresses but `hires_uri` may be None or empty.
    """

    hires_uri: str
    thumbnail_name: str | None = None
    preview_name: str | None = None
    hires_name: str | None = None
    thumbnail_uri: str | None = None
    preview_uri: str | None = None


class NewLibraryImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image on its way into a library.

    One with `files` lies with somebody else, and `size_bytes` and pixels are what its owner says of it. One with an
    `address` is hosted here, points at a blob, and takes them from there. `expires_at` is None in the inventory.
    `product_id` and `role` make it a product image at once.
    """

    guid: str
    place: Place
    name: str
    title: str
    description: str | None
    created_at: int
    expires_at: int | None = None
    site_id: int | None = None
    files: Files | None = None
    size_bytes: int = 0
    width_px: int = 0
    height_px: int = 0
    address: str | None = None
    product_id: int | None = None
    role: ImageRole | None = None


class LibraryImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in a library, hosted here (`address`, `media_type`) or with somebody else (`files`).

    Moments are Unix microseconds.
    """

    id: int
    guid: str
    place: Place
    product_id: int | None
    role: ImageRole | None
    name: str
    title: str
    description: str | None
    size_bytes: int
    width_px: int
    height_px: int
    address: str | None
    media_type: MediaType | None
    files: Files | None
    site_id: int | None
    active: bool
    created_at: int
    updated_at: int | None
    expires_at: int | None
    version: int = 1


class ImageChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the image with that guid; None leaves a value as it is."""

    guid: str
    title: str | None = None
    description: str | None = None
    active: bool | None = None


Sort = Literal["id", "title", "name", "size_bytes", "created_at"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which images of a place, in which order, from which on. All conditions hold at once.

    `search` is looked for in title, description and name, whatever the case. `guids` None means any.
    `created_from` is inclusive, `created_before` is not. `shared`: images of products count, too. Images that
    expire at `now` or before are not there.
    """

    place: Place = Place()
    now: int = 0
    shared: bool = True
    search: str = ""
    guids: tuple[str, ...] | None = None
    active: bool | None = None
    created_from: int | None = None
    created_before: int | None = None
    sort: Sort = "id"
    descending: bool = True
    offset: int = 0
    limit: int = 10


def short_name(name: str) -> str:
    """The end of *name* for an address: plain ASCII, at most 100 characters, never a folder."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = _NO_PLAIN_CHARACTERS.sub("-", plain)
    plain = f"image{plain}" if plain[:1] in {"", "."} else plain
    return plain[-SHORT_NAME_CHARACTERS:]
