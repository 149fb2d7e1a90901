"""Which way to read a body, and how it goes together with the query."""

import re
from typing import Any

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body.as_json import parse_json
from packshot.protocols.body.forms import parse_form
from packshot.protocols.body.multipart_form import parse_multipart

_OBJECT_OR_LIST = re.compile(rb"(?:\xef\xbb\xbf)?\s*+([\[{])")


def parse(content_type: str, body: bytes | bytearray, raw_keys: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The parameters of a body of this Content-Type ("" when there is none).

    JSON, form and multipart types mean what they say, except that a JSON object sent as a form is read as the
    object: curl calls every body a form. Any other type is JSON if it begins like an object or list, otherwise a
    form, as a legacy browser library sends forms as text/plain. `charset` is ignored, all of it is UTF-8.

    Raises:
        InvalidRequest: as `parse_json` (also on `raw_keys`), `parse_form` or `parse_multipart` say.
    """
    if not body:
        return {}
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in ("application/json", "text/json") or media_type.endswith("+json"):
        return parse_json(body, raw_keys)
    if media_type == "multipart/form-data":
        return parse_multipart(body, content_type)
    begins = match[1] if (match := _OBJECT_OR_LIST.match(body)) else b""
    if media_type == "application/x-www-form-urlencoded":
        return _object_or_form(body, raw_keys) if begins == b"{" else parse_form(body)
    return parse_json(body, raw_keys) if begins else parse_form(body)


def merge(query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """A new mapping of both, where the body stands above the query; only the top level is merged."""
    return query | body


def _object_or_form(body: bytes | bytearray, raw_keys: frozenset[str]) -> dict[str, Any]:
    try:
        return parse_json(body, raw_keys)
    except InvalidRequest:
        return parse_form(body)
