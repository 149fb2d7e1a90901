"""Filters, orders and pages as values. Field names are those of the domain; storage maps them to columns."""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec

Operator = Literal["=", "!=", ">", ">=", "<", "<=", "contains", "not contains", "like", "not like"]
"""Comparisons. `=` and `!=` with several values mean "one of" and "none of"; `like` knows `%` only."""

Row = TypeVar("Row")

Value = str | int | float | None

PAGE_ROWS = 50
"""How many rows a page has, in every list of both protocols that does not ask for fewer."""


class Condition(msgspec.Struct, frozen=True):
    """`field` compared with `values`; several values only with `=` and `!=`."""

    field: str
    operator: Operator
    values: tuple[Value, ...]


class Ordering(msgspec.Struct, frozen=True):
    """Sort by `field`, upwards unless `descending`."""

    field: str
    descending: bool = False


class Query(msgspec.Struct, frozen=True):
    """Which rows of a list, in which order, from which on.

    All conditions hold at once. `offset` counts rows from 0. Without `counted` nobody needs the total.
    """

    conditions: Sequence[Condition] = ()
    orderings: Sequence[Ordering] = ()
    offset: int = 0
    limit: int = PAGE_ROWS
    counted: bool = True


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Some rows of a list; `total` is the number of all matching rows, or None when nobody asked for it."""

    rows: list[Row]
    total: int | None
