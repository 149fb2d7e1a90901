"""Reading parameters and writing values in Bitrix24's shapes: what every method shares.

Parameters may arrive as JSON or as text out of a form, so "1" is an integer and "Y" a flag. Names of
parameters and fields are matched exactly first and then in any case, `iblockId` like `IBLOCK_ID`.
"""

from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

import msgspec

from packshot.domain.errors import InvalidRequest, InvalidValue
from packshot.domain.paging import Condition, Operator, Ordering, Page, Query, Value
from packshot.protocols.bitrix.call import Answer
from packshot.protocols.bitrix.errors import MISSING, WRONG_TYPE, WrongParameter

Params = Mapping[str, Any]

MAX_ID = 2**63 - 1
_SECOND = 1_000_000
_FLAGS = {"y": 1, "1": 1, "true": 1, "n": 0, "0": 0, "false": 0}

# The longest prefix wins, so the order matters.
_OPERATORS: tuple[tuple[str, Operator], ...] = (
    ("!=%", "not like"),
    ("!%=", "not like"),
    ("!%", "not contains"),
    ("=%", "like"),
    ("%=", "like"),
    ("%", "contains"),
    ("!=", "!="),
    ("!@", "!="),
    ("!", "!="),
    (">=", ">="),
    ("<=", "<="),
    (">", ">"),
    ("<", "<"),
    ("=", "="),
    ("@", "="),
)


class Field(msgspec.Struct, frozen=True):
    """A field a caller may filter, sort or select by: its domain name and how its values are read."""

    name: str
    read: Callable[[Any], Value]


# Parameters


def param(params: Params, name: str) -> Any:
    """The parameter or field called *name*, exactly or by its `field_key`; None when it is absent."""
    if name in params:
        return params[name]
    wanted = field_key(name)
    return next((value for key, value in params.items() if field_key(key) == wanted), None)


def identifier(params: Params, name: str) -> int:
    """A required id. Zero and negative numbers are ids nothing has.

    Raises:
        WrongParameter: it is absent, empty or no whole number of 64 bits.
    """
    value = param(params, name)
    if type(value) is int and 0 < value <= MAX_ID:  # nearly always
        return value
    if value is None or value == "":
        raise WrongParameter(name, MISSING % name)
    number = _whole(value)
    if number is None:
        raise WrongParameter(name, WRONG_TYPE % (_shown(value), name, "int"))
    return number


def fields(params: Params) -> dict[str, Any]:
    """The required, non-empty parameter `fields`. Raises: WrongParameter."""
    value = param(params, "fields")
    if not value:
        raise WrongParameter("fields", MISSING % "fields")
    return _mapping(value, "fields")


def required(values: Params, names: tuple[str, ...]) -> None:
    """Refuse *values* unless all these fields are there and not empty. Raises: InvalidRequest."""
    missing = [name for name in names if param(values, name) in (None, "", [], {})]
    if missing:
        raise InvalidRequest(missing[0], "Required fields: " + ", ".join(missing))


def field_key(name: str) -> str:
    """The form in which field names are compared: `iblockId`, `iblockid` and `IBLOCK_ID` are one.

    An underscore in front counts: clients add parameters of their own, like `__order`, beside those of ours.
    """
    return name[:1] + name[1:].replace("_", "").lower() if name.startswith("_") else name.replace("_", "").lower()


def items(value: Any) -> list[Any]:
    """What a list holds. PHP sends some lists as maps; any other value alone is a list of one."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def selected(params: Params) -> set[str]:
    """What `select` names, each as `field_key` leaves it.

    Raises:
        WrongParameter: `select` is neither a list nor a map. Source: page catalog.productProperty.list.
    """
    value = param(params, "select") or []
    if not isinstance(value, list | dict):
        raise WrongParameter("select", WRONG_TYPE % (_shown(value), "select", "array"))
    return {field_key(name) for name in items(value) if isinstance(name, str)}


def selection(params: Params, known: Mapping[str, str]) -> list[str]:
    """The values of *known* (from `field_key` on) that `select` names; unknown ones are ignored, none means all.

    Raises:
        WrongParameter: as `selected` says.
    """
    wanted = selected(params)
    return [name for key, name in known.items() if key in wanted] or list(known.values())


def query(params: Params, known: Mapping[str, Field]) -> Query:
    """`filter`, `order` and `start` as a query; fields we do not know are ignored.

    `start=-1` asks for no total. Source: pages "Features of list methods" and "Performance".

    Raises:
        WrongParameter: `filter` or `order` is no map, or `start` no number.
        InvalidRequest: a value does not fit the field it is compared with.
    """
    start = _start(params)
    return Query(_conditions(params, known), _orderings(params, known), max(start, 0), counted=start >= 0)


def listed(key: str, page: Page[Any], wanted: Query, write: Callable[[Any], Any]) -> Answer:
    """A page of a list under its one key, with `total` and `next` where a total was asked for."""
    return Answer({key: [write(row) for row in page.rows]}, page.total, following(page, wanted))


def following(page: Page[Any], wanted: Query) -> int | None:
    """The offset of the page behind this one; None where there is none, or nobody counted."""
    end = wanted.offset + len(page.rows)
    return end if page.rows and page.total is not None and end < page.total else None


def _start(params: Params) -> int:
    value = param(params, "start")
    if value in (None, ""):
        return 0
    number = _whole(value)
    if number is None:
        raise WrongParameter("start", WRONG_TYPE % (_shown(value), "start", "int"))
    return number


def _conditions(params: Params, known: Mapping[str, Field]) -> list[Condition]:
    conditions = []
    for key, value in _mapping(param(params, "filter"), "filter").items():
        prefix, operator = next((pair for pair in _OPERATORS if key.startswith(pair[0])), ("", "="))
        field = known.get(field_key(key[len(prefix) :]))
        if field is not None:
            conditions.append(_condition(field, operator, key[len(prefix) :], value))
    return conditions


def _condition(field: Field, operator: Any, name: str, value: Any) -> Condition:
    read = _pattern if "contains" in operator or "like" in operator else field.read
    try:
        wanted = tuple(_read(read, item) for item in items(value))
    except (ValueError, OverflowError):
        raise InvalidValue(name, f"Wrong format of field `{name}`") from None
    if operator not in {"=", "!="} and len(wanted) != 1:
        raise InvalidValue(name, f"Wrong format of field `{name}`")
    return Condition(field.name, operator, wanted)


def _read(read: Callable[[Any], Value], value: Any) -> Value:
    """The value as its field reads it; `false` is PHP's way to say "empty" where it says nothing else."""
    try:
        return read(value)
    except ValueError:
        if value is False:
            return read(None)
        raise


def _pattern(value: Any) -> str:
    return "" if value is None else _text(value)


def _orderings(params: Params, known: Mapping[str, Field]) -> list[Ordering]:
    wanted = _mapping(param(params, "order"), "order")
    return [
        Ordering(known[field_key(name)].name, descending=str(way).lower().startswith("desc"))
        for name, way in wanted.items()
        if field_key(name) in known
    ]


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not value:  # absent, null, "", and PHP's empty map, which is a list
        return {}
    if not isinstance(value, dict):
        raise WrongParameter(name, WRONG_TYPE % (_shown(value), name, "array"))
    return value


def _shown(value: Any) -> str:
    return str(value)[:100]


# Values


def read_integer(value: Any) -> int | None:
    """A whole number or nothing. Raises: ValueError."""
    if value is None or value == "":
        return None
    number = _whole(value)
    if number is None:
        raise ValueError
    return number


def read_number(value: Any) -> float | None:
    """A finite number or nothing. Raises: ValueError."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError  # noqa: TRY004 - one kind of failure for the caller: the value does not fit
    number = float(value)
    if number in (float("inf"), float("-inf")) or number != number:  # noqa: PLR0124 - only NaN differs from itself
        raise ValueError
    return number


def read_text(value: Any) -> str | None:
    """Text or nothing, and empty text is nothing; numbers are taken as their digits. Raises: ValueError."""
    return None if value is None else _text(value) or None


def read_flag(value: Any) -> int | None:
    """Y or N, in any of the forms they travel in, as 1 or 0. Raises: ValueError."""
    if value is None or value == "":
        return None
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise ValueError
    return flag


def read_moment(value: Any, zone: tzinfo) -> int | None:
    """An ISO date or time, in the server's zone where it names none, as Unix microseconds. Raises: ValueError."""
    if value is None or value == "":
        return None
    moment = datetime.fromisoformat(_text(value))
    if not MINYEAR < moment.year < MAXYEAR:  # beyond, the other zone's year may not exist
        raise ValueError
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()) * _SECOND


@lru_cache(maxsize=4096)
def _iso(second: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(second, UTC).astimezone(zone).isoformat()


def write_moment(moment: float | str | None, zone: tzinfo) -> str | None:
    """Unix microseconds as `YYYY-MM-DDThh:mm:ss+hh:mm` in the server's zone. Source: page "Data types"."""
    return None if moment is None else _iso(int(moment) // _SECOND, zone)


def write_flag(flag: Any) -> str | None:
    """1 or 0 as Y or N."""
    return None if flag is None else "Y" if flag else "N"


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError  # noqa: TRY004 - one kind of failure for the caller: the value does not fit
    return str(value)


def _whole(value: Any) -> int | None:
    """A whole number of 64 bits, from a number or ASCII digits; None for anything else, True included."""
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < len(str(MAX_ID)) + 1):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -MAX_ID <= value <= MAX_ID else None
