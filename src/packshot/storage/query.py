"""Filters, orders and pages as SQL: closed tables from field to column, values always bound."""

from collections.abc import Callable, Mapping, Sized
from typing import Any, TypeVar

import msgspec

from packshot.domain.errors import InvalidValue
from packshot.domain.paging import Condition, Operator, Page, Query, Value
from packshot.storage.database import Reads, Row

Result = TypeVar("Result")

MAX_VALUES = 1_000
"""How many values the filters of one list may compare with, all together."""

MAX_CONDITIONS = 100
"""How many conditions a list may have: the database takes no expression of any depth."""

MAX_PATTERN_CHARACTERS = 1_000
"""How long the text may be that a filter searches for."""

_COMPARISONS = frozenset({">", ">=", "<", "<="})
_NEGATED: dict[Operator, Operator] = {"!=": "=", "not contains": "contains", "not like": "like"}


class Column(msgspec.Struct, frozen=True):
    """Where a field lives: `name` is a column, or any expression over the row, a subquery included.

    `folded` is the column with the case-folded text that patterns search. `lacked` is set where rows may be without a
    value, which come before all others; left to itself, PostgreSQL puts them behind. A field with any number of values
    a row has them in another table: `within` is the `EXISTS (SELECT ... AND {})` that looks through them with a
    test of the column `name` in the place of `{}`; one value that passes is enough, and nothing sorts by it.
    `indexed` is what an index has of values that may be too long for one, as a function of `{}`.
    """

    name: str
    folded: str = ""
    lacked: bool = False
    within: str = "{}"
    indexed: str = ""


class Listing(msgspec.Struct, frozen=True):
    """A list that can be asked for: what it selects, from where, and by which fields it filters and sorts.

    `scope` is the fixed part of the condition, with its values at `?1`, `?2`, ...
    """

    select: str
    table: str
    scope: str
    columns: Mapping[str, Column]


async def page(
    reads: Reads, listing: Listing, scope: tuple[Any, ...], query: Query, make: Callable[[Row], Result]
) -> Page[Result]:
    """The rows of one page, in the wanted order and by id where that leaves a choice.

    Fields that the listing does not know are ignored, in filters as in orders. One statement serves the
    usual case: the total is counted only where the page itself does not give it away.

    Raises:
        InvalidValue: there are too many filters or values in them, or one searches for too long a text.
    """
    if len(query.conditions) > MAX_CONDITIONS:
        raise InvalidValue("filter", f"The filter has more than {MAX_CONDITIONS} conditions")
    if sum(len(condition.values) for condition in query.conditions) > MAX_VALUES:
        raise InvalidValue("filter", f"The filter compares with more than {MAX_VALUES} values")
    values = list(scope)
    where = " AND ".join([listing.scope, *_conditions(listing, query, values)])
    source = f"FROM {listing.table} WHERE {where}"
    window = f"LIMIT {query.limit:d} OFFSET {query.offset:d}"
    rows = await reads.all(
        f"SELECT {listing.select} {source} ORDER BY {_order(listing, query)} {window}",
        *values,
    )
    return Page([make(row) for row in rows], await _total(reads, source, values, query, len(rows)))


async def _total(reads: Reads, source: str, values: list[Any], query: Query, count: int) -> int | None:
    if not query.counted:
        return None
    if count < query.limit and (count or not query.offset):
        return query.offset + count
    row = await reads.one(f"SELECT count(*) {source}", *values)
    return int(row[0]) if row else 0


def placeholders(first: int, values: Sized) -> str:
    """`?2, ?3, ?4`: as many as there are values, numbered from *first* on; for `IN (...)` and `VALUES (...)`."""
    return ", ".join(f"?{number}" for number in range(first, first + len(values)))


def _order(listing: Listing, query: Query) -> str:
    known = {field: column for field, column in listing.columns.items() if column.within == "{}"}
    wanted = {ordering.field: ordering.descending for ordering in query.orderings if ordering.field in known}
    wanted.setdefault("id", False)
    return ", ".join(_way(known[field], descending=down) for field, down in wanted.items())


def _way(column: Column, *, descending: bool) -> str:
    # Said of a column that always has a value, it would keep PostgreSQL from walking its index.
    nulls = (" NULLS LAST" if descending else " NULLS FIRST") if column.lacked else ""
    return f"{column.name}{' DESC' if descending else ''}{nulls}"


def _conditions(listing: Listing, query: Query, values: list[Any]) -> list[str]:
    return [
        _condition(listing.columns[condition.field], condition, values)
        for condition in query.conditions
        if condition.field in listing.columns
    ]


def _condition(column: Column, condition: Condition, values: list[Any]) -> str:
    """A negated condition holds for just those rows that the plain one leaves out: also for rows without a value."""
    operator = _NEGATED.get(condition.operator, condition.operator)
    if operator in _COMPARISONS:
        found = _any(column, f"{column.name} {operator} {_bind(values, condition.values[0])}")
    elif operator == "=":
        found = _membership(column, condition.values, values)
    else:
        found = _any(column, _pattern(column, operator, str(condition.values[0]), values))
    return found if operator == condition.operator else f"({found}) IS NOT TRUE"


def _pattern(column: Column, operator: Operator, sought: str, values: list[Any]) -> str:
    if len(sought) > MAX_PATTERN_CHARACTERS:
        raise InvalidValue("filter", f"The filter searches for more than {MAX_PATTERN_CHARACTERS} characters")
    text = sought.casefold().replace("\\", "\\\\").replace("_", "\\_")
    if operator == "contains":
        text = "%" + text.replace("%", "\\%") + "%"
    searched = column.folded or f"fold_case(CAST({column.name} AS TEXT))"
    return f"{searched} LIKE {_bind(values, text)} ESCAPE '\\'"


def _membership(column: Column, wanted: tuple[Value, ...], values: list[Any]) -> str:
    """One of any number of values; NULL is a value like any other here, that of rows without one."""
    known = [value for value in wanted if value is not None]
    tests = []
    if known:
        places = [_bind(values, value) for value in known]
        test = f"{column.name} IN ({', '.join(places)})"
        if column.indexed:
            keys = (column.indexed.replace("{}", place) for place in places)
            test += f" AND {column.indexed.replace('{}', column.name)} IN ({', '.join(keys)})"
        tests.append(_any(column, test))
    if len(known) < len(wanted):
        tests.append(f"({_any(column, f'{column.name} IS NOT NULL')}) IS NOT TRUE")
    return f"({' OR '.join(tests)})" if tests else "1 = 0"


def _any(column: Column, test: str) -> str:
    return column.within.replace("{}", test)


def _bind(values: list[Any], value: Value) -> str:
    values.append(value)
    return f"?{len(values)}"
