"""Query strings and `application/x-www-form-urlencoded` bodies, with brackets in their names."""

import re
from collections.abc import Iterator
from typing import Any

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body.brackets import PARAMETERS, Node, insert, settled, text_of, without_nul

_BROKEN_ESCAPES = 1_000
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_form(text: bytes | bytearray | str) -> dict[str, Any]:
    """The parameters of a query string or form body; every value is a str, a dict or a list.

    `a[b]=1` is `{"a": {"b": "1"}}`, `a[]=x&a[]=y` is `{"a": ["x", "y"]}`. Keys stay text; `[]` takes the index
    after the highest one so far; a level with the keys 0 to n-1 in this order is a list. The later of two values
    for one place wins. `+` is a space; percent signs without two hex digits stay.

    Raises:
        InvalidRequest: more than 1000 parameters (empty ones counted), more than 16 levels, not UTF-8, a NUL
            character, or over 1000 broken percent escapes in one value.
    """
    if not text:
        return {}
    if isinstance(text, str):
        text = _encoded(text)
    if not (b"%" in text or b"+" in text or b"[" in text):
        return _plain(text)
    tree = Node()
    for name, value in _pairs(text):
        key = _unescaped(name, "parameters")
        insert(tree, key, _unescaped(value, key))
    return settled(tree)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("parameters", "are not UTF-8") from None


def _plain(text: bytes | bytearray) -> dict[str, Any]:
    parameters = text_of(text, "parameters").split("&", PARAMETERS)
    if len(parameters) > PARAMETERS:
        raise _too_many()
    pairs = (parameter.partition("=") for parameter in parameters)
    return {name: value for name, _, value in pairs if name}


def _pairs(text: bytes | bytearray) -> Iterator[tuple[memoryview, memoryview]]:
    """Names and values, still escaped. Views, because a value may be nearly as large as all of the body."""
    view = memoryview(text)
    start = 0
    for _ in range(PARAMETERS):
        end = text.find(b"&", start)
        if end < 0:
            end = len(text)
        middle = text.find(b"=", start, end)
        if middle < 0:
            middle = end
        yield view[start:middle], view[middle + 1 : end]
        if end == len(text):
            return
        start = end + 1
    raise _too_many()


def _too_many() -> InvalidRequest:
    return InvalidRequest("parameters", f"are more than {PARAMETERS}")


def _unescaped(escaped: memoryview, name: str) -> str:
    raw = bytes(escaped)
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" not in raw:
        return text_of(raw, name)
    # Python's own string escapes do the work: urllib's decoder makes two objects for each percent sign, some
    # gigabyte and three seconds for a body full of them.
    raw = raw.replace(b"\\", rb"\\").replace(b"%", rb"\x")
    try:
        text = raw.decode("unicode_escape")
    except UnicodeDecodeError:
        text = _mended(bytes(escaped).replace(b"+", b" "), name).decode("unicode_escape")
    return without_nul(text, name) if text.isascii() else text_of(text.encode("latin-1"), name)


def _mended(escaped: bytes, name: str) -> bytes:
    """The same as string escapes, each percent sign which begins nothing standing for itself."""
    mended, broken = _BROKEN_ESCAPE.subn(b"%25", escaped, _BROKEN_ESCAPES + 1)
    if broken > _BROKEN_ESCAPES:
        raise InvalidRequest(name[:100], f"has more than {_BROKEN_ESCAPES} percent signs which begin no escape")
    return mended.replace(b"\\", rb"\\").replace(b"%", rb"\x")
