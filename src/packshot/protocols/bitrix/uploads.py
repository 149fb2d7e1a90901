"""Pictures as they travel in parameters: `[name, base64]`, decoded as leniently as PHP does it.

The documentation's own sample holds 24 soft hyphens inside its base64, so strictness would refuse it.
Source: pages "How to upload files" and catalog.productImage.add.
"""

import binascii
import string
from collections.abc import Mapping
from typing import Any

import msgspec
import pybase64

from packshot.domain.errors import InvalidRequest
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.errors import MISSING, WrongParameter
from packshot.protocols.body import decode_json
from packshot.services.originals import Upload

_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_NOT_ALPHABET = bytes(set(range(256)) - set(_ALPHABET))
_SPACE_IS_PLUS = bytes.maketrans(b" ", b"+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def upload(value: Any) -> Upload:
    """The picture in the parameter `fileContent`, also in the shape `{fileData: [name, base64]}`.

    The base64 is decoded when the upload is read, on whatever thread that happens.

    Raises:
        WrongParameter: there is none.
        InvalidRequest: it has no file name, or its data is no text.
    """
    pair = _pair(value)
    if not pair:
        raise WrongParameter("fileContent", MISSING % "fileContent")
    return _upload(pair)


def picture(value: Any, field: str) -> Upload:
    """The picture in the `fileData` of a field. Raises: InvalidRequest."""
    pair = _pair(value)
    if not pair:
        raise InvalidRequest(field, f"Wrong format of field `{field}`")
    return _upload(pair)


def _upload(pair: list[Any]) -> Upload:
    name = _plain(pair[0])
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequest("fileContent", "The file name is not specified")
    data = pair[1] if len(pair) > 1 else None
    if not isinstance(data, str | msgspec.Raw):
        raise InvalidRequest("fileContent", "The file's content must be a base64 string")
    return Upload(name, len(memoryview(data) if isinstance(data, msgspec.Raw) else data) * 3 // 4, lambda: decode(data))


def decode(data: "str | msgspec.Raw") -> bytes:
    """The bytes behind base64 text, or behind the undecoded JSON string that holds it.

    A `data:` prefix is cut, spaces count as `+`, the URL-safe alphabet is understood where no other is
    used, anything else outside the alphabet is skipped, inner `=` included, and padding may be missing.

    Raises:
        InvalidRequest: nothing is left, or it is no text at all.
    """
    try:
        decoded = pybase64.b64decode(_as_it_is(data), validate=True)
    except (binascii.Error, ValueError):
        decoded = _decode_leniently(_text(data))
    if not decoded:
        raise InvalidRequest("fileContent", "The file is empty")
    return decoded


def _decode_leniently(text: bytes) -> bytes:
    if text[:5].lower() == b"data:":
        text = text.partition(b",")[2]
    text = text.translate(_SPACE_IS_PLUS)
    if b"+" not in text and b"/" not in text:
        text = text.translate(_URL_SAFE)
    text = text.translate(None, _NOT_ALPHABET)
    # A single character left over carries no whole byte.
    whole = len(text) - (len(text) % 4 == 1)
    return pybase64.b64decode(text[:whole] + b"=" * (-whole % 4))


def _as_it_is(data: "str | msgspec.Raw") -> "str | memoryview":
    """The text between the quotes without a copy; strict decoding refuses it where it has escapes."""
    return data if isinstance(data, str) else memoryview(data)[1:-1]


def _text(data: "str | msgspec.Raw") -> bytes:
    r"""The text with its escapes undone: PHP writes every slash of base64 as `\/`."""
    text = data if isinstance(data, str) else decode_json(data)
    if not isinstance(text, str):
        raise InvalidRequest("fileContent", "The file's content must be a base64 string")
    return text.encode()


def _pair(value: Any) -> list[Any]:
    """Name and data out of a list, a map with the keys 0 and 1, or a map with the key fileData."""
    value = _opened(value)
    if isinstance(value, Mapping):
        if (inner := wire.param(value, "fileData")) is not None:
            return _pair(inner)
        return [value.get("0"), value.get("1")] if {"0", "1"} & value.keys() else []
    if isinstance(value, str):
        return [None] if value else []
    return value if isinstance(value, list) else []


def _opened(value: Any) -> Any:
    """One level of a value that was left as undecoded JSON because it is large."""
    if not isinstance(value, msgspec.Raw):
        return value
    kinds: dict[int, Any] = {ord("["): list[msgspec.Raw], ord("{"): dict[str, msgspec.Raw]}
    try:
        return msgspec.json.decode(value, type=kinds.get(memoryview(value)[0], Any))
    except ValueError as error:
        raise InvalidRequest("fileContent", f"The file's content is no valid JSON: {error}") from None


def _plain(value: Any) -> Any:
    return decode_json(value) if isinstance(value, msgspec.Raw) else value
