"""JSON bodies: strict, bounded in depth and number, large values left as they came where the caller asks for it."""

import re
from typing import Any

import msgspec

from packshot.domain.errors import InvalidRequest

DEPTH = 32
KEYS = 1_000
VALUES = 20_000
RAW_FROM_BYTES = 32 * 1024

_BOM = b"\xef\xbb\xbf"
_SHORTEST_KEY = len(b'"":1,')
_SHORTEST_VALUE = len(b"1,")
_TOKENS_PER_VALUE = 5

# An unclosed string runs to the end of the text: trying again behind each of its quotes would take quadratic time.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}:,]', re.DOTALL)

# An odd number of backslashes, so that the last one begins an escape; from the first one, so that a long row of
# them is looked at once.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")

_ANYTHING = msgspec.json.Decoder()
_OBJECT_OF_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse_json(body: bytes | bytearray, raw_keys: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The parameters of a JSON body.

    An empty body, `null` and `[]` are no parameters at all; another list counts as an object with the keys
    "0", "1" and so on. Of equal keys the last wins. A byte order mark is skipped. Integers may have any size up
    to 4300 digits, numbers beyond the range of a float are refused.

    From 32 KiB on, a top-level value whose key is in `raw_keys` (lower case) stays a `msgspec.Raw`, a view into
    `body`: its structure and its freedom from NUL are checked, its encoding and the size of its numbers are not;
    `decode_json` does that. Below 32 KiB it is decoded like every other.

    Raises:
        InvalidRequest: not JSON, not UTF-8, half a surrogate pair, a NUL character, a bare string or number,
            deeper than 32 levels, or more than 1000 keys or 20 000 values in all (containers are values too,
            an empty one counts twice).
    """
    if body.startswith(_BOM):  # noqa: FURB188 - removeprefix of a bytearray copies it even when there is nothing to remove
        body = body[len(_BOM) :]
    if not body or body.isspace():
        return {}
    _check(body)
    if raw_keys and len(body) >= RAW_FROM_BYTES:
        return _decoded_beside_raw(body, raw_keys)
    return _parameters(_decoded(body))


def decode_json(text: bytes | bytearray | msgspec.Raw) -> Any:
    """Any one JSON value, under the limits of `parse_json`. Raises: InvalidRequest, for the same reasons."""
    plain = bytes(text) if isinstance(text, msgspec.Raw) else text
    _check(plain)
    return _decoded(plain)


def _decoded_beside_raw(body: bytes | bytearray, raw_keys: frozenset[str]) -> dict[str, Any]:
    try:
        members = _OBJECT_OF_RAW.decode(body)
    except msgspec.ValidationError:  # JSON, but no object
        return _parameters(_decoded(body))
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from None
    return {key: raw if key.lower() in raw_keys else _decoded(raw) for key, raw in members.items()}


def _decoded(text: bytes | bytearray | msgspec.Raw) -> Any:
    try:
        return _ANYTHING.decode(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from None


def _not_json(error: Exception) -> InvalidRequest:
    if isinstance(error, msgspec.DecodeError):
        return InvalidRequest("body", f"is not valid JSON: {error}")
    return InvalidRequest("body", "is not valid JSON: a text in it is not UTF-8")


def _parameters(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    if value is None:
        return {}
    raise InvalidRequest("body", "must be a JSON object")


def _check(text: bytes | bytearray) -> None:
    """Refuse what is too deep or too much, and NUL, before a single value is made of it."""
    size = len(text)
    containers = _up_to(DEPTH, b"[", text) + _up_to(DEPTH, b"{", text) if size > 2 * DEPTH else 0
    if (
        containers > DEPTH
        or (size > _SHORTEST_KEY * KEYS and _up_to(KEYS, b":", text) > KEYS)
        or (size > _SHORTEST_VALUE * (VALUES - DEPTH) and 1 + containers + _up_to(VALUES, b",", text) > VALUES)
    ):
        _check_tokens(text)
    # The search for one byte is some fifty times faster than that for six.
    if b"\\" in text and b"\\u0000" in text and _NUL.search(text):
        raise InvalidRequest("body", "must not contain NUL characters")


def _up_to(most: int, sign: bytes, text: bytes | bytearray) -> int:
    """How often `sign` is in `text`, at most one more than `most`; far faster than counting where it is rare."""
    at = -1
    for found in range(most + 1):
        at = text.find(sign, at + 1)
        if at < 0:
            return found
    return most + 1


def _check_tokens(text: bytes | bytearray) -> None:
    """Count outside of strings. The first signs alone gave the alarm: they may all be part of a text."""
    depth, keys, values = 0, 0, 1
    for seen, token in enumerate(_TOKEN.finditer(text)):
        sign = text[token.start()]
        if sign in b"[{":
            depth += 1
            values += 1
        elif sign in b"]}":
            depth -= 1
        elif sign in b":":
            keys += 1
        elif sign in b",":
            values += 1
        if depth > DEPTH:
            raise InvalidRequest("body", f"is nested deeper than {DEPTH} levels")
        if keys > KEYS or values > VALUES or seen > VALUES * _TOKENS_PER_VALUE:
            raise InvalidRequest("body", f"has more than {KEYS} keys or {VALUES} values")
