"""A product image: a picture in one of three places of a product."""

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Literal
from urllib.parse import quote

import msgspec

from packshot.domain.errors import InvalidValue

ImageRole = Literal["detail", "preview", "more"]
"""Where a picture stands: `detail` and `preview` hold one image per product, `more` any number."""

SINGLE_ROLES: frozenset[ImageRole] = frozenset({"detail", "preview"})

MAX_NAME_CHARACTERS = 255

MAX_CLEANED_CHARACTERS = 200
"""How long a name is that was cleaned instead of refused."""

_MAX_ENDING = 10
_MAX_LOOKED_AT = 4096  # characters of a name: a megabyte is not worth cleaning

PUBLIC_PREFIX = "/upload/iblock/"
"""What the public addresses of originals begin with, as Bitrix24's do."""

RENDITIONS_PREFIX = "/i/"
"""What the addresses of renditions begin with."""

_quoted = lru_cache(maxsize=1024)(quote)

# Version 1 is not written: every image has one address at a time.
_IMAGE_KEY = re.compile(r"(?P<key>[a-z0-9]{32})(?:-(?P<version>[2-9]|[1-9]\d{1,8}))?", re.ASCII)

_FORBIDDEN_IN_NAMES = frozenset('/\\:*?"<>|')
# Invisible characters that reorder or hide parts of a name: cleaned away, since people paste them unknowingly.
_INVISIBLE = dict.fromkeys(
    [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A), 0x061C, 0xFEFF]
)


class ProductImage(msgspec.Struct, frozen=True):
    """An image on a product. `created_at` is in Unix microseconds.

    `address` is its unguessable public key, `version` how often it changed under it, from 1.
    """

    id: int
    product_id: int
    role: ImageRole
    name: str
    address: str
    created_at: int
    guid: str
    version: int = 1


class NewImage(msgspec.Struct, frozen=True):
    """What is known of an image before it has an id.

    With a `property_id` it is a value of that property instead of a product image.
    """

    product_id: int
    role: ImageRole
    name: str
    address: str
    guid: str
    created_at: int
    property_id: int | None = None


def public_path(address: str, name: str, version: int = 1) -> str:
    """The root-relative address at which everybody who knows it gets the original of a hosted image."""
    return f"{PUBLIC_PREFIX}{_versioned(address, version)}/{_quoted(name)}"


def rendition_path(address: str, rendition: str, name: str, version: int = 1) -> str:
    """The same of a rendition, which is named by a preset or a spec; `name` is for show."""
    return f"{RENDITIONS_PREFIX}{_versioned(key_of(address), version)}/{rendition}/{_quoted(name)}"


def _versioned(address: str, version: int) -> str:
    return address if version == 1 else f"{address}-{version}"


def keyed_address(key: str) -> str:
    """The address of an image with this key, which nobody shall be able to guess: behind three digits of its digest."""
    return f"{hashlib.sha256(key.encode()).hexdigest()[:3]}/{key}"


def key_of(address: str) -> str:
    """The key in an address."""
    return address.rpartition("/")[2]


def address_of(text: str) -> tuple[str, int] | None:
    """(address, version) of an image key as it stands in addresses; None where it is none."""
    if not (found := _IMAGE_KEY.fullmatch(text)):
        return None
    return keyed_address(found["key"]), int(found["version"] or 1)


def file_name(text: str) -> str:
    r"""The name an image is stored under: NFC, without bidirectional and zero-width characters.

    The name is data and never becomes part of a path on disk.

    Raises:
        InvalidValue: nothing is left of the name, it is `.` or `..`, has more than 255 characters, control
            characters, or one of `/ \ : * ? " < > |`.
    """
    # Length first: normalising is linear, but nobody needs it done to a megabyte.
    if len(text) > MAX_NAME_CHARACTERS:
        raise InvalidValue("name", f"The file name is longer than {MAX_NAME_CHARACTERS} characters")
    name = unicodedata.normalize("NFC", text.translate(_INVISIBLE)).strip()
    if not name:
        raise InvalidValue("name", "The file name is not specified")
    if name in {".", ".."}:
        raise InvalidValue("name", "The file name means a folder")
    if any(_is_forbidden(character) for character in name):
        raise InvalidValue("name", "The file name contains invalid characters")
    return name


def cleaned_name(text: str) -> str:
    """The name that is made of *text* where none is refused, at most 200 characters; empty if nothing is left of it.

    NFC, without characters that nobody sees; underscores stand for those that `file_name` refuses. What is too long
    loses the end of its stem and keeps its ending.
    """
    name = unicodedata.normalize("NFC", text[:_MAX_LOOKED_AT].translate(_INVISIBLE)).strip()
    name = "".join("_" if _is_forbidden(character) else character for character in name)
    if name in {".", ".."}:
        return "_"
    stem, dot, ending = name.rpartition(".")
    if len(name) <= MAX_CLEANED_CHARACTERS or not stem or len(ending) > _MAX_ENDING:
        return name[:MAX_CLEANED_CHARACTERS].strip()
    return stem[: MAX_CLEANED_CHARACTERS - len(dot + ending)] + dot + ending


def _is_forbidden(character: str) -> bool:
    return character in _FORBIDDEN_IN_NAMES or unicodedata.category(character) in {"Cc", "Cs"}
