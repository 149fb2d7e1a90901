"""Filters, orders and pages in SQL do what the same query does over a list in Python."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packshot.domain.errors import InvalidValue
from packshot.domain.paging import Condition, Operator, Ordering, Query, Value
from packshot.storage.database import Dialect, Row
from packshot.storage.query import MAX_VALUES, Column, Listing, page
from packshot.storage.sqlite import connect

Thing = dict[str, Any]

LISTING = Listing(
    select="id",
    table="thing",
    scope="owner = ?1",
    columns={
        "id": Column("id"),
        "name": Column("name", "name_folded"),
        "code": Column("code"),
        "size": Column("size"),
        "weight": Column("weight"),
        "length": Column("(SELECT length(other.name) FROM thing other WHERE other.id = thing.id)"),
        "tags": Column("tag.text", within="EXISTS (SELECT 1 FROM tag WHERE tag.thing_id = thing.id AND {})"),
    },
)
MINE, THEIRS = 1, 2


class Memory:
    """Answers queries from a table in memory, and counts them."""

    dialect: Dialect = "sqlite"

    def __init__(self, things: Sequence[Thing]) -> None:
        self.asked = 0
        self._connection = connect(Path(":memory:"))
        self._connection.execute(
            "CREATE TABLE thing (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name TEXT, name_folded TEXT,"
            " code TEXT, size INTEGER, weight REAL) STRICT"
        )
        self._connection.execute("CREATE TABLE tag (thing_id INTEGER NOT NULL, text TEXT NOT NULL) STRICT")
        for number, thing in enumerate(things, start=1):
            name = thing.get("name")
            tags = [(number, tag) for tag in thing.get("tags", ())]
            self._connection.executemany("INSERT INTO tag VALUES (?, ?)", tags)
            self._connection.execute(
                "INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, thing.get("owner", MINE), name, None if name is None else name.casefold(),
                 thing.get("code"), thing.get("size"), thing.get("weight")),
            )  # fmt: skip

    async def all(self, sql: str, *values: Any) -> list[Row]:
        self.asked += 1
        return self._connection.execute(sql, values).fetchall()

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await self.all(sql, *values)
        return rows[0] if rows else None

    def close(self) -> None:
        self._connection.close()


async def found(things: Sequence[Thing], query: Query) -> tuple[list[int], int | None]:
    with closing(Memory(things)) as memory:
        answer = await page(memory, LISTING, (MINE,), query, lambda row: int(row[0]))
    return answer.rows, answer.total


async def matching(things: Sequence[Thing], *conditions: Condition) -> list[int]:
    return (await found(things, Query(conditions, limit=1_000)))[0]


# The same in Python


def comparable(value: Value) -> Any:
    return value.encode() if isinstance(value, str) else value


COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def holds(thing: Thing, condition: Condition) -> bool:
    """One value that passes is enough, and a row without values has None; "not" is for all the other rows."""
    plain = {"!=": "="}.get(condition.operator, condition.operator.removeprefix("not "))
    actual = thing[condition.field]
    values = (actual or [None]) if isinstance(actual, list) else [actual]
    return any(passes(value, plain, condition.values) for value in values) == (plain == condition.operator)


def passes(actual: Value, operator: str, wanted: Sequence[Value]) -> bool:
    if operator == "=":
        return actual in wanted
    if actual is None or wanted[0] is None:
        return False
    if operator in COMPARED:
        return COMPARED[operator](comparable(actual), comparable(wanted[0]))
    return fits(actual, operator, str(wanted[0]))


def fits(actual: Value, operator: str, pattern: str) -> bool:
    text, pattern = str(actual).casefold(), pattern.casefold()
    if operator == "contains":
        return pattern in text
    return re.fullmatch(".*".join(map(re.escape, pattern.split("%"))), text, re.DOTALL) is not None


def sort_key(field: str, thing: Thing) -> tuple[bool, Any]:
    """What is not there comes first."""
    return thing[field] is not None, comparable(thing[field]) or (b"" if isinstance(thing[field], str) else 0)


def whole(number: int, thing: Thing) -> Thing:
    return thing | {"id": number, "length": None if thing["name"] is None else len(thing["name"])}


def expected(things: Sequence[Thing], query: Query) -> tuple[list[int], int | None]:
    kept = [
        thing
        for thing in (whole(number, thing) for number, thing in enumerate(things, start=1))
        if thing["owner"] == MINE and all(holds(thing, condition) for condition in query.conditions)
    ]
    sortable = [ordering for ordering in query.orderings if ordering.field != "tags"]
    for ordering in reversed([*sortable, Ordering("id")]):
        kept.sort(key=partial(sort_key, ordering.field), reverse=ordering.descending)
    ids = [thing["id"] for thing in kept]
    return ids[query.offset : query.offset + query.limit], len(ids) if query.counted else None


# Small pools, so that equal and nearly equal values meet often.
LETTERS = st.text("aAbB%_\\ß Ääσς'\"", max_size=4)
PLAIN = st.text("aAbB%_\\'", max_size=4)
SIZES = st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)])
WEIGHTS = st.sampled_from([-1.5, 0.0, 0.1, 0.2, 0.1 + 0.2, 0.3, 1e300])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(0, 9), "name": LETTERS, "code": PLAIN, "size": SIZES, "weight": WEIGHTS,
    "length": st.integers(0, 4), "tags": PLAIN,
}  # fmt: skip
THINGS = st.lists(
    st.fixed_dictionaries(
        {"owner": st.sampled_from([MINE, MINE, MINE, THEIRS])}
        | {field: st.none() | VALUES[field] for field in ("name", "code", "size", "weight")}
        | {"tags": st.lists(PLAIN, max_size=3)}
    ),
    max_size=8,
)


def conditions_on(field: str) -> st.SearchStrategy[Condition]:
    value = VALUES[field]
    one = st.tuples(st.none() | value)
    ranges = st.builds(Condition, st.just(field), st.sampled_from(list(COMPARED)), one)
    equal = st.builds(Condition, st.just(field), st.sampled_from(["=", "!="]), st.lists(st.none() | value).map(tuple))
    if field == "weight":  # nobody agrees on how a fraction is written
        return ranges | equal
    operators = st.sampled_from(["contains", "not contains", "like", "not like"])
    return ranges | equal | st.builds(Condition, st.just(field), operators, st.tuples(value.map(str)))


FIELDS = st.sampled_from(list(VALUES))
QUERIES = st.builds(
    Query,
    conditions=st.lists(FIELDS.flatmap(conditions_on), max_size=3),
    orderings=st.lists(
        st.builds(Ordering, FIELDS, st.booleans()), max_size=3, unique_by=lambda ordering: ordering.field
    ),
    offset=st.integers(0, 6),
    limit=st.integers(0, 6),
    counted=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(things=THINGS, query=QUERIES)
async def test_a_query_finds_what_python_finds_in_the_same_order(things: list[Thing], query: Query) -> None:
    assert await found(things, query) == expected(things, query)


@settings(max_examples=80, deadline=None)
@given(things=THINGS, query=QUERIES)
async def test_pages_of_two_rows_put_together_are_the_whole_list(things: list[Thing], query: Query) -> None:
    whole, total = await found(things, msgspec.structs.replace(query, offset=0, limit=1_000, counted=True))

    pages = [
        await found(things, msgspec.structs.replace(query, offset=offset, limit=2, counted=True))
        for offset in range(0, len(whole) + 2, 2)
    ]

    assert [thing for rows, _ in pages for thing in rows] == whole
    assert {found_total for _, found_total in pages} == {total}


COLOURS: list[Thing] = [
    {"name": "Red shirt", "size": 3},
    {"name": "red_shirt", "size": 1},
    {"name": "Blue 100%", "size": None},
    {"name": None, "size": 3},
]


@pytest.mark.parametrize(
    ("operator", "values", "wanted"),
    [
        ("contains", ("RED",), [1, 2]),
        ("contains", ("_",), [2]),
        ("contains", ("%",), [3]),
        ("not contains", ("red",), [3, 4]),
        ("like", ("red%",), [1, 2]),
        ("like", ("red_shirt",), [2]),
        ("like", ("%",), [1, 2, 3]),
        ("not like", ("%shirt",), [3, 4]),
        ("=", ("Red shirt",), [1]),
        ("=", ("red shirt",), []),
        ("=", (None,), [4]),
        ("!=", (None,), [1, 2, 3]),
        ("!=", ("Red shirt",), [2, 3, 4]),
        ("=", ("Red shirt", None), [1, 4]),
        ("!=", ("Red shirt", None), [2, 3]),
        ("=", (), []),
        ("!=", (), [1, 2, 3, 4]),
        (">", ("Red",), [1, 2]),
    ],
)
async def test_operators_on_text(operator: Operator, values: tuple[Value, ...], wanted: list[int]) -> None:
    assert await matching(COLOURS, Condition("name", operator, values)) == wanted


TAGGED: list[Thing] = [
    {"tags": ["red", "large"]},
    {"tags": ["Red", "small"]},
    {"tags": ["blue"]},
    {"tags": []},
]


@pytest.mark.parametrize(
    ("operator", "values", "wanted"),
    [
        ("=", ("red",), [1]),
        ("=", ("red", "blue"), [1, 3]),
        ("=", (None,), [4]),
        ("=", ("blue", None), [3, 4]),
        ("!=", ("red",), [2, 3, 4]),
        ("!=", ("red", "blue"), [2, 4]),
        ("!=", (None,), [1, 2, 3]),
        ("!=", ("red", None), [2, 3]),
        ("=", (), []),
        ("!=", (), [1, 2, 3, 4]),
        ("contains", ("RE",), [1, 2]),
        ("not contains", ("re",), [3, 4]),
        ("like", ("%l",), [2]),
        ("not like", ("%l%",), [4]),
        (">", ("m",), [1, 2]),
        ("<", ("c",), [2, 3]),
    ],
)
async def test_one_of_many_values_is_enough_and_not_means_none_of_them(
    operator: Operator, values: tuple[Value, ...], wanted: list[int]
) -> None:
    assert await matching(TAGGED, Condition("tags", operator, values)) == wanted


async def test_many_values_sort_nothing() -> None:
    assert await found(TAGGED, Query(orderings=[Ordering("tags", descending=True)])) == ([1, 2, 3, 4], 4)


@pytest.mark.parametrize("field", ["name", "code"])
@pytest.mark.parametrize(
    ("text", "sought"), [("Рубашка", "рубашка"), ("Рубашка", "РУБ"), ("ÄRMEL", "ÄRMEL"), ("ΣΑΣ", "σας")]
)
async def test_patterns_ignore_case_in_every_alphabet(field: str, text: str, sought: str) -> None:
    things = [{field: text}, {field: "other"}]

    assert await matching(things, Condition(field, "contains", (sought,))) == [1]
    assert await matching(things, Condition(field, "not contains", (sought,))) == [2]


async def test_rows_without_a_value_come_first_and_equal_ones_by_id() -> None:
    upwards, downwards = Ordering("size"), Ordering("size", descending=True)

    assert (await found(COLOURS, Query(orderings=[upwards])))[0] == [3, 2, 1, 4]
    assert (await found(COLOURS, Query(orderings=[downwards])))[0] == [1, 4, 2, 3]
    assert (await found(COLOURS, Query(orderings=[downwards, Ordering("id", descending=True)])))[0] == [4, 1, 2, 3]


async def test_fields_the_list_does_not_know_are_ignored() -> None:
    query = Query([Condition("id; DROP TABLE thing", "=", ("x",))], [Ordering("owner, (SELECT 1)")])

    assert await found(COLOURS, query) == ([1, 2, 3, 4], 4)


@pytest.mark.parametrize(
    ("offset", "limit", "statements"), [(0, 50, 1), (2, 50, 1), (0, 4, 2), (0, 2, 2), (9, 2, 2), (9, 50, 2)]
)
async def test_the_total_costs_a_statement_only_where_the_page_does_not_give_it_away(
    offset: int, limit: int, statements: int
) -> None:
    with closing(Memory(COLOURS)) as memory:
        answer = await page(memory, LISTING, (MINE,), Query(offset=offset, limit=limit), lambda row: row)

    assert answer.total == 4
    assert memory.asked == statements


async def test_a_filter_compares_with_a_thousand_values_and_no_more() -> None:
    values = tuple(range(MAX_VALUES))

    assert await matching(COLOURS, Condition("id", "=", values)) == [1, 2, 3, 4]
    with pytest.raises(InvalidValue):
        await matching(COLOURS, Condition("id", "=", (*values, -1)))


async def test_many_long_filters_at_once_are_answered_or_refused() -> None:
    conditions = [Condition("id", "=", tuple(range(MAX_VALUES)))] * 300

    with pytest.raises(InvalidValue):
        await matching(COLOURS, *conditions)


@pytest.mark.parametrize("count", [10, 100, 900, 990, 995, 998, 999, 1_000, 1_001, 2_000])
@pytest.mark.parametrize(("operator", "value"), [(">", 0), ("not like", "x"), ("!=", 7)])
async def test_any_number_of_filters_at_once_is_answered_or_refused(
    operator: Operator, value: Value, count: int
) -> None:
    conditions = [Condition("size", operator, (value,))] * count

    try:
        assert set(await matching(COLOURS, *conditions)) <= {1, 2, 3, 4}
    except InvalidValue:
        assert count > 100


@pytest.mark.parametrize("operator", ["contains", "like", "not contains", "not like"])
async def test_a_pattern_longer_than_the_database_takes_is_refused(operator: Operator) -> None:
    with pytest.raises(InvalidValue):
        await matching(COLOURS, Condition("name", operator, ("x" * 100_000,)))
