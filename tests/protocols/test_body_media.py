"""Choosing the way to read a body by its Content-Type, and joining it with the query."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body import merge, parse

FORM = "application/x-www-form-urlencoded"
RAW = frozenset({"a"})


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        " application/json ;charset=windows-1251",
        "text/json",
        "application/vnd.api+json",
    ],
)
def test_json_types_are_json(content_type: str) -> None:
    assert parse(content_type, b'{"a": [1]}') == {"a": [1]}
    with pytest.raises(InvalidRequest):
        parse(content_type, b"a=1")


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), FORM + "; charset=UTF-8"])
def test_form_types_are_forms(content_type: str) -> None:
    assert parse(content_type, b"a[]=1") == {"a": ["1"]}


def test_multipart_types_are_multipart_with_their_boundary_kept_in_its_case() -> None:
    body = b'--xY\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xY--'

    assert parse("Multipart/Form-Data; boundary=xY", body) == {"a": "1"}


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "text/plain; charset=UTF-8", "application/octet-stream", "nonsense"]
)
@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b' \r\n{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"[]", {}),
        (b'["x"]', {"0": "x"}),
        (b"a=1&b[]=2", {"a": "1", "b": ["2"]}),
        (b"", {}),
    ],
)
def test_any_other_type_is_json_when_it_begins_like_json_and_a_form_otherwise(
    content_type: str, body: bytes, parameters: dict[str, Any]
) -> None:
    assert parse(content_type, body) == parameters
    assert parse(content_type, bytearray(body)) == parameters


def test_broken_json_of_another_type_is_refused_not_taken_for_a_form() -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        parse("text/plain", b'{"a": 1')


@pytest.mark.parametrize("body", [b'{"a": "b=c&d"}', b' \n{"a": "b=c&d"}', b'\xef\xbb\xbf{"a": "b=c&d"}'])
def test_a_json_object_sent_as_a_form_is_read_as_json(body: bytes) -> None:
    assert parse(FORM, body) == {"a": "b=c&d"}


@pytest.mark.parametrize(
    ("body", "parameters"), [(b"{a=1", {"{a": "1"}), (b'{"a"}=1', {'{"a"}': "1"}), (b'["a"]', {'["a"]': ""})]
)
def test_a_form_which_is_no_json_object_stays_a_form(body: bytes, parameters: dict[str, str]) -> None:
    assert parse(FORM, body) == parameters


@pytest.mark.parametrize("content_type", ["application/json", "", FORM])
def test_raw_keys_reach_json_whichever_way_it_came(content_type: str) -> None:
    body = b'{"A": "' + b"x" * 40_000 + b'"}'

    assert isinstance(parse(content_type, body, RAW)["A"], msgspec.Raw)


@pytest.mark.parametrize("content_type", ["application/json", FORM, "multipart/form-data", "", "text/plain"])
def test_an_empty_body_is_no_parameters_whatever_its_type(content_type: str) -> None:
    assert parse(content_type, b"") == {}


@settings(deadline=None)
@given(content_type=st.text(max_size=30) | st.just("multipart/form-data; boundary=x"), body=st.binary(max_size=40))
def test_any_type_and_body_give_parameters_or_an_invalid_request(content_type: str, body: bytes) -> None:
    try:
        parse(content_type, body, RAW)
    except InvalidRequest:
        return


def test_the_body_stands_above_the_query() -> None:
    assert merge({"a": "1", "b": {"x": "1"}}, {"b": {"y": 2}, "c": 3}) == {"a": "1", "b": {"y": 2}, "c": 3}


def test_merging_changes_neither_side() -> None:
    query, body = {"a": "1"}, {"a": 2}

    merge(query, body)["b"] = 3

    assert (query, body) == ({"a": "1"}, {"a": 2})
