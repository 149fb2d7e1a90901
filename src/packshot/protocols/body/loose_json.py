"""JSON as Json.NET reads it, for samples and clients that post what no standard allows."""

import re
from typing import Any

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body.as_json import decode_json

LOOSE_BYTES = 1024 * 1024
_TOKENS = 50_000

# Every alternative takes what it has looked at, also where its end is missing: nothing is looked at twice.
_COMMENT = r"/(?:\*(?:[^*]|\*(?!/))*+(?:\*/)?|/[^\r\n]*+)"
_TOKEN = re.compile(
    r'"(?P<double>(?:[^"\\]|\\.)*+)"?'
    r"|'(?P<single>(?:[^'\\]|\\.)*+)'?"
    r"|(?P<name>(?:[^\W\d]|\$)[\w$]*+)(?P<colon>\s*+:)?"
    rf"|,(?:\s|{_COMMENT})*+(?P<end>[\]}}])?"
    rf"|(?P<comment>{_COMMENT})",
    re.DOTALL,
)
_ODD = re.compile(r'\\.|["\x00-\x1f]', re.DOTALL)


def decode_loosely(text: bytes | bytearray) -> Any:
    """Any one JSON value; where `decode_json` refuses it, what Json.NET would make of it, under the same limits.

    That is: texts in single quotes, names without quotes, comments, a comma behind the last element, and line
    breaks in texts. Texts above 1 MiB are read strictly only.

    Raises:
        InvalidRequest: as `decode_json` says of the text as it is.
    """
    try:
        return decode_json(text)
    except InvalidRequest as error:
        if len(text) > LOOSE_BYTES:
            raise
        try:
            return decode_json(_strict(str(text, "utf-8")).encode())
        except (InvalidRequest, UnicodeDecodeError):
            raise error from None


def _strict(text: str) -> str:
    """The same as strict JSON, if it is loose JSON; otherwise something that is no JSON either."""
    seen = 0

    def mended(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        if seen > _TOKENS:
            raise InvalidRequest("body", f"has more than {_TOKENS} texts, names and commas")
        return _mended(match)

    return _TOKEN.sub(mended, text)


def _mended(token: re.Match[str]) -> str:
    kind, whole = token.lastgroup, token[0]
    if kind in {"double", "single"}:
        inner = token[kind]
        # An end that is missing stays missing.
        return '"' + _ODD.sub(_escaped, inner) + ('"' if len(whole) == len(inner) + 2 else "")
    if kind == "colon":
        return f'"{token["name"]}":'
    if kind == "comment":
        return " " if whole.startswith("//") or whole.endswith("*/") else "/"
    return token["end"] or "," if whole.startswith(",") else whole


def _escaped(match: re.Match[str]) -> str:
    piece = match[0]
    if len(piece) > 1:
        return "'" if piece == "\\'" else piece
    return '\\"' if piece == '"' else f"\\u{ord(piece):04x}"
