"""Reading fields and writing values in FinerWorks' shapes: what every method shares.

Numbers may arrive as text, names of fields in any case, and `""` where there is nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from packshot.domain.errors import InvalidRequest, InvalidValue
from packshot.protocols.body import decode_loosely, parse_form
from packshot.protocols.finerworks.errors import FinerWorksSettings, WrongMediaType

Fields = Mapping[str, Any]

MAX_INTEGER = 2**63 - 1
_BOM = b"\xef\xbb\xbf"
_MEDIA_TYPES = frozenset({"", "application/json", "text/json"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}(?:\.0{1,19})?")


# Requests


def body_fields(content_type: str, content: bytes | bytearray) -> dict[str, Any]:
    """The fields of a JSON object, names in lower case at every level; no body and `null` are no fields.

    The charset is ignored, all of it is UTF-8. Of names that differ in case only, the last one counts.

    Raises:
        WrongMediaType: the body is said to be something else.
        InvalidRequest: it is no JSON, also as `decode_loosely` reads it, or no object.
    """
    if not content:
        return {}
    media_type = content_type.partition(";")[0].strip()
    if media_type.lower() not in _MEDIA_TYPES:
        raise WrongMediaType(media_type)
    text = content.removeprefix(_BOM)
    if not text or text.isspace():
        return {}
    value = _folded(decode_loosely(text))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest("body", "has to be a JSON object")
    return value


def query_fields(query: bytes) -> dict[str, Any]:
    """The fields of a query, names in lower case. Raises: InvalidRequest."""
    return {name.lower(): value for name, value in parse_form(query).items()} if query else {}


def _folded(value: Any) -> Any:
    """*value* with its names in lower case; it is 32 levels deep at most."""
    if isinstance(value, dict):
        return {name.lower(): _folded(item) for name, item in value.items()}
    return [_folded(item) for item in value] if isinstance(value, list) else value


def text(fields: Fields, name: str) -> str | None:
    """The field as text, a number as it is written; None where it is null or missing. Raises: InvalidValue."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(name, "has to be text")
    return str(value)


def integer(fields: Fields, name: str) -> int | None:
    """The field as a whole number, also out of text; None where it is null, missing or empty. Raises: InvalidValue."""
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise InvalidValue(name, "has to be a whole number")
    return value


# Answers


def status(settings: FinerWorksSettings, code: int, message: str, request_id: str) -> dict[str, Any]:
    """The `status` of an answer with that HTTP status: the four documented keys, or all six of the newer host.

    Source: resource model response_status, and decision 13 for the two.
    """
    answer = {"success": code < 400, "status_code": code, "message": message, "debug": None}  # noqa: PLR2004 - errors
    return answer | {"reference_id": request_id, "domain": None} if settings.v2_status else answer


def write_date(moment: int, zone: tzinfo) -> str:
    """Unix microseconds as .NET writes them: `2026-09-03T10:50:27.4466130-05:00`, always seven digits."""
    at = datetime.fromtimestamp(moment // 1_000_000, UTC).astimezone(zone)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{moment % 1_000_000:06}0{at.isoformat()[19:]}"
