"""Reading fields and writing values in FinerWorks' shapes: what every method shares.

Numbers may arrive as text, names of fields in any case, and `""` where there is nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, TypeVar

from packshot.domain.errors import InvalidRequest, InvalidValue, MissingField
from packshot.domain.paging import PAGE_ROWS
from packshot.protocols.body import decode_loosely, parse_form
from packshot.protocols.finerworks.errors import FinerWorksSettings, WrongMediaType

Fields = Mapping[str, Any]
Field = TypeVar("Field")

MAX_INTEGER = 2**63 - 1
DEFAULT_ROWS = 10
"""How many rows a page has that does not say so."""

MAX_SEARCH_CHARACTERS = 1_000

_BOM = b"\xef\xbb\xbf"
_MEDIA_TYPES = frozenset({"", "application/json", "text/json"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}(?:\.0{1,19})?")
_NUMBER = re.compile(r"[0-9]{1,10}(?:\.[0-9]{0,10})?")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ][0-9:.Z+-]+)?")
_EPOCH = datetime.fromtimestamp(0, UTC)


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


# Errors name a field by `within`, the path before it (`library.`, `images[0].`), and its name.


def text(fields: Fields, name: str, within: str = "", *, most: int | None = None) -> str | None:
    """The field as text, a number as it is written; None where it is null or missing.

    Raises:
        InvalidValue: it is neither, or has more than *most* characters.
    """
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise InvalidValue(within + name, "has to be text")
    if value and most is not None and len(value) > most:
        raise InvalidValue(within + name, f"has more than {most} characters")
    return value


def integer(fields: Fields, name: str, within: str = "") -> int | None:
    """The field as a whole number, also out of text; None where it is null, missing or empty. Raises: InvalidValue."""
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise InvalidValue(within + name, "has to be a whole number")
    return value


def number(fields: Fields, name: str, within: str = "", *, most: float) -> float | None:
    """The field as a number from 0 to *most*, also out of text; None where it is null, missing or empty.

    Raises: InvalidValue.
    """
    value = fields.get(name)
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value.strip()) else value.strip() or None
    if value is None:
        return None
    if isinstance(value, bool | str | list | dict) or not 0 <= value <= most:
        raise InvalidValue(within + name, f"has to be a number from 0 to {most}")
    return float(value)


def flag(fields: Fields, name: str, within: str = "") -> bool | None:
    """The field as yes or no, also out of text or out of 0 and 1; None where it is null, missing or empty.

    Raises: InvalidValue.
    """
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    written = str(value).strip().lower() if isinstance(value, str | int) else ""
    if written not in _FLAGS:
        raise InvalidValue(within + name, "has to be true or false")
    return _FLAGS[written]


def span(fields: Fields, name: str, zone: tzinfo, within: str = "") -> tuple[int, int] | None:
    """What a date covers, in Unix microseconds: its beginning, and the moment behind its end.

    `2026-09-03` covers that day in *zone*; with a time it is one moment, in *zone* where it has no offset. None where
    the field is null, missing or empty. Raises: InvalidValue.
    """
    written = (text(fields, name, within) or "").strip().upper()
    if not written:
        return None
    match = _DATE.fullmatch(written)
    try:
        first = datetime.fromisoformat(written if match else "")
    except ValueError:
        raise InvalidValue(within + name, "has to be a date like 2026-09-03 or 2026-09-03T10:50:27-05:00") from None
    if match and match["time"]:
        begin = _microseconds(first if first.tzinfo else first.replace(tzinfo=zone))
        return begin, begin + 1
    last = datetime.combine(first, time.max, zone).replace(fold=1)  # the later one where an hour comes twice
    return _microseconds(first.replace(tzinfo=zone)), _microseconds(last) + 1


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def items(fields: Fields, name: str, within: str = "") -> list[Any] | None:
    """The field as a list, also where there is one text or number instead; None where it is null, missing or `""`.

    Raises: InvalidValue.
    """
    value = fields.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, dict | bool):
        raise InvalidValue(within + name, "has to be a list")
    return value if isinstance(value, list) else [value]


def objects(fields: Fields, name: str, most: int) -> list[dict[str, Any]]:
    """The field as a list of at most so many objects.

    Raises:
        MissingField: it is null or missing.
        InvalidValue: it is no list, has more than *most* elements, or one that is no object.
    """
    value = fields.get(name)
    if value is None:
        raise MissingField(name)
    if not isinstance(value, list):
        raise InvalidValue(name, "has to be a list")
    if len(value) > most:
        raise InvalidValue(name, f"has more than {most} elements")
    for number, element in enumerate(value):
        if not isinstance(element, dict):
            raise InvalidValue(f"{name}[{number}]", "has to be an object")
    return value


def paging(fields: Fields) -> tuple[int, int, int]:
    """Which page is asked for, counted from 1, how many rows it has (10 unless it says so, at most 50), and its offset.

    Raises: InvalidValue.
    """
    number = max(integer(fields, "page_number") or 1, 1)
    asked = integer(fields, "per_page") or 0
    rows = min(asked, PAGE_ROWS) if asked > 0 else DEFAULT_ROWS
    return number, rows, min((number - 1) * rows, MAX_INTEGER)


def ordering(fields: Fields, known: Mapping[str, Field]) -> tuple[Field, bool]:
    """By which of the *known* fields a list is sorted, `id` for any other, and whether downwards: unless it says ASC.

    Raises: InvalidValue.
    """
    name = (text(fields, "sort_field") or "").strip().lower()
    direction = (text(fields, "sort_direction") or "").strip().upper()
    return known.get(name, known["id"]), direction != "ASC"


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
