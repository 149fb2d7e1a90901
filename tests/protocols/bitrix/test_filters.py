"""The operators of `filter`, the ways of `order`, and where a list starts (sheet 4.5 and 4.6), in any case."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidValue
from packshot.domain.paging import Condition, Operator, Ordering, Query, Value
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.wire import Field

KNOWN = {
    "iblockid": Field("catalog_id", wire.read_integer),
    "name": Field("name", wire.read_text),
    "active": Field("active", wire.read_flag),
    "xmlid": Field("xml_id", wire.read_text),
    "weight": Field("weight", wire.read_number),
}
SPELLINGS = {"catalog_id": "iblockId", "name": "name", "active": "active", "xml_id": "xmlId", "weight": "weight"}

# Written down a second time, from the sheet's table.
MANY: dict[str, Operator] = {"": "=", "=": "=", "@": "=", "!": "!=", "!=": "!=", "!@": "!="}
ONE: dict[str, Operator] = {
    ">": ">", ">=": ">=", "<": "<", "<=": "<=",
    "%": "contains", "!%": "not contains",
    "=%": "like", "%=": "like", "!=%": "not like", "!%=": "not like",
}  # fmt: skip
PATTERNS = {prefix for prefix, operator in ONE.items() if "contains" in operator or "like" in operator}

TEXTS: st.SearchStrategy[tuple[Any, Value]] = st.text(min_size=1).map(lambda text: (text, text)) | st.integers(
    0, 99
).map(lambda number: (number, str(number)))
INTEGERS: st.SearchStrategy[tuple[Any, Value]] = st.integers(-(2**53), 2**53).flatmap(
    lambda number: st.sampled_from([(number, number), (str(number), number), (f" {number} ", number)])
)
FLAGS: st.SearchStrategy[tuple[Any, Value]] = st.sampled_from(
    [("Y", 1), ("y", 1), (1, 1), ("1", 1), (True, 1), ("N", 0), (0, 0), (False, 0), ("false", 0)]
)
NUMBERS: st.SearchStrategy[tuple[Any, Value]] = st.floats(-1e9, 1e9).flatmap(
    lambda number: st.sampled_from([(number, number), (repr(number), number)])
)
EMPTY: st.SearchStrategy[tuple[Any, Value]] = st.sampled_from([(None, None), ("", None), (False, None)])
NO_FLAG = st.sampled_from([(None, None), ("", None)])
VALUES: dict[str, st.SearchStrategy[tuple[Any, Value]]] = {
    "catalog_id": INTEGERS | EMPTY,
    "name": TEXTS | EMPTY,
    "active": FLAGS | NO_FLAG,
    "xml_id": TEXTS | EMPTY,
    "weight": NUMBERS | EMPTY,
}


def spelled(name: str) -> st.SearchStrategy[str]:
    """`iblockId`, `iblockid`, `IBLOCKID` and `IBLOCK_ID` are one."""
    snake = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper()
    return st.sampled_from([name, name.lower(), name.upper(), snake])


def packed(values: list[Any]) -> st.SearchStrategy[Any]:
    """Several values as a list or the way PHP's forms carry one, a single one also bare."""
    forms: list[Any] = [values, {str(number): value for number, value in enumerate(values)}]
    return st.sampled_from(forms + (values if len(values) == 1 else []))


@st.composite
def filters(draw: st.DrawFn) -> tuple[dict[str, Any], Condition]:
    """A filter of one condition, and what it means."""
    field = draw(st.sampled_from(sorted(VALUES)))
    prefix = draw(st.sampled_from([*MANY, *ONE]))
    pairs = draw(st.lists(VALUES[field], min_size=1, max_size=4 if prefix in MANY else 1))
    if prefix in PATTERNS:
        pairs = [draw(TEXTS | st.just((None, "")) | st.just(("", "")))]
    key = prefix + draw(spelled(SPELLINGS[field]))
    operator = {**MANY, **ONE}[prefix]
    value = draw(packed([sent for sent, _ in pairs]))
    return {key: value}, Condition(field, operator, tuple(meant for _, meant in pairs))


@given(filters())
def test_every_operator_means_what_the_table_says(pair: tuple[dict[str, Any], Condition]) -> None:
    sent, meant = pair

    assert wire.query({"filter": sent}, KNOWN).conditions == [meant]


@given(st.sampled_from(sorted(SPELLINGS)).flatmap(lambda field: st.tuples(st.just(field), spelled(SPELLINGS[field]))),
       st.sampled_from(["asc", "ASC", "Asc", "desc", "DESC", "Desc"]))  # fmt: skip
def test_order_takes_any_case_of_name_and_way(place: tuple[str, str], way: str) -> None:
    field, spelling = place

    assert wire.query({"order": {spelling: way}}, KNOWN).orderings == [Ordering(field, way.lower() == "desc")]


def test_all_conditions_on_one_field_are_kept() -> None:
    query = wire.query({"filter": {">=name": "a", "<NAME": "b", "!name": ["aa", None], "%name": "x"}}, KNOWN)

    assert [(one.operator, one.values) for one in query.conditions] == [
        (">=", ("a",)), ("<", ("b",)), ("!=", ("aa", None)), ("contains", ("x",)),
    ]  # fmt: skip


def test_conditions_on_unknown_fields_are_ignored() -> None:
    assert wire.query({"filter": {"~name": 1, "price": 1, "": 1, "!": 1, "><name": 1}}, KNOWN) == Query([], [])


@pytest.mark.parametrize(
    "filter_",
    [
        {"iblockId": True}, {"iblockId": 1.5}, {"iblockId": "1x"}, {"iblockId": 2**63}, {"iblockId": [[1]]},
        {"weight": "nan"}, {"weight": True}, {"active": "maybe"}, {"name": True}, {"name": [{}]},
        {">name": ["a", "b"]}, {"<name": []}, {"%name": ["a", "b"]}, {"%active": True}, {"@iblockId": {"x": "y"}},
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(filter_: Any) -> None:
    with pytest.raises(InvalidValue, match="Wrong format of field `"):
        wire.query({"filter": filter_}, KNOWN)


@pytest.mark.parametrize(
    ("start", "offset", "counted"),
    [(None, 0, True), ("", 0, True), (0, 0, True), ("50", 50, True), (7, 7, True), (-1, 0, False), ("-1", 0, False)],
)
def test_start_is_an_offset_and_minus_one_counts_nothing(start: Any, offset: int, *, counted: bool) -> None:
    query = wire.query({"start": start}, KNOWN)

    assert (query.offset, query.counted) == (offset, counted)


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_the_parameters_themselves_have_any_case(case: Callable[[str], str]) -> None:
    params = {case("filter"): {"name": "x"}, case("order"): {"name": "desc"}, case("start"): 50}

    assert wire.query(params, KNOWN) == Query([Condition("name", "=", ("x",))], [Ordering("name", descending=True)], 50)
