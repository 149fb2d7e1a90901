"""JSON bodies: what counts as parameters, what is refused, what stays raw."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body import decode_json, parse_json

RAW = frozenset({"filecontent"})
LARGE = b"A" * 40_000

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


def refused(body: bytes) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        parse_json(body)
    assert refusal.value.field == "body"
    return refusal.value.why


@settings(deadline=None)
@given(parameters=st.dictionaries(TEXTS, VALUES, max_size=6), escaped=st.booleans())
def test_an_object_comes_back_as_it_was(parameters: dict[str, Any], *, escaped: bool) -> None:
    body = json.dumps(parameters, ensure_ascii=escaped).encode()

    assert parse_json(body) == parameters
    assert parse_json(bytearray(body)) == parameters


@settings(deadline=None)
@given(body=st.binary(max_size=60) | st.text('[]{}",:\\u0d8123ntrue \0', max_size=60).map(str.encode))
@example(b"\xef\xbb\xbf")
@example(b"\xef\xbb")
def test_any_bytes_give_parameters_or_an_invalid_request(body: bytes) -> None:
    try:
        parameters = parse_json(body)
    except InvalidRequest:
        return

    assert all(isinstance(key, str) for key in parameters)


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"[]", b"null", b"{}", b" [ ] ", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}"])
def test_a_body_which_says_nothing_is_no_parameters(body: bytes) -> None:
    assert parse_json(body) == {}
    assert parse_json(bytearray(body)) == {}


def test_a_list_counts_as_an_object_with_its_indexes() -> None:
    assert parse_json(b'["a", {"b": 1}, null]') == {"0": "a", "1": {"b": 1}, "2": None}


@pytest.mark.parametrize("body", [b"1", b'"text"', b"true", b"0.5", b'"' + LARGE + b'"'])
def test_a_bare_value_is_refused(body: bytes) -> None:
    assert "object" in refused(body)


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_json(b'\xef\xbb\xbf{"id": 1}') == {"id": 1}


def test_the_last_of_equal_keys_wins() -> None:
    assert parse_json(b'{"id": 1, "id": 2}') == {"id": 2}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a"}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": -1e400}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\udc00\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xff"}',
        b'{"\xff": 1}',
        b'{"a": "\n"}',
        b'{"a": "\0"}',
        b'{"a": 1} x',
        b'{"a": 1}\0',
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    assert "JSON" in refused(body)
    assert "JSON" in refused(body.replace(b"{", b'{"' + LARGE + b'":1,', 1))


def test_the_refusal_says_where_the_text_breaks() -> None:
    assert "byte 8" in refused(b'{"a": 1 "b": 2}')


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**300])
def test_an_integer_beyond_64_bits_stays_exact(number: int) -> None:
    assert parse_json(json.dumps({"id": number}).encode()) == {"id": number}


@pytest.mark.parametrize(
    "body", [b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": ["x\\\\\\u0000y"]}', b'{"a": "\\\\\\\\\\u0000"}']
)
def test_a_nul_character_is_refused(body: bytes) -> None:
    assert "NUL" in refused(body)


def test_a_nul_character_is_refused_inside_a_raw_value_too() -> None:
    with pytest.raises(InvalidRequest, match="NUL"):
        parse_json(b'{"fileContent": ["a\\u0000.jpg", "' + LARGE + b'"]}', RAW)


def test_a_backslash_before_u0000_is_text() -> None:
    assert parse_json(rb'{"a": "C:\\u0000"}') == {"a": "C:\\u0000"}


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_32_levels_are_read_and_33_refused(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        deep = opening * (levels - 1) + b"1" + closing * (levels - 1)
        return b'{"shallow":[[],[],[]],"deep":' + deep + b"}"

    parse_json(nested(32))
    assert "32 levels" in refused(nested(33))


def test_mixed_levels_count_together() -> None:
    assert "32 levels" in refused(b'{"a":[' * 17 + b"1" + b"]}" * 17)


def test_many_shallow_levels_and_brackets_in_texts_are_fine() -> None:
    rows: dict[str, Any] = {"rows": [{"a": [1], "b": "[[[[{{{{" * 20, 'c"\\': "\\"} for _ in range(50)]}

    assert parse_json(json.dumps(rows).encode()) == rows


def test_1000_keys_in_all_are_read_and_1001_refused() -> None:
    def keys(count: int) -> bytes:
        return json.dumps({"a": {f"k{index}": 1 for index in range(count - 1)}}).encode()

    assert len(parse_json(keys(1000))["a"]) == 999
    assert "1000 keys" in refused(keys(1001))


def test_colons_in_texts_are_no_keys() -> None:
    style = "color:red;" * 2000

    assert parse_json(json.dumps({"text": style}).encode()) == {"text": style}


def test_20000_values_are_read_and_20001_refused() -> None:
    def values(count: int) -> bytes:
        return b'{"id":[' + b",".join([b"1"] * count) + b"]}"

    assert len(parse_json(values(19_998))["id"]) == 19_998  # the list and the object are values too
    assert "20000 values" in refused(values(19_999))


def test_commas_in_texts_are_no_values() -> None:
    text = "," * 30_000

    assert parse_json(json.dumps({"text": text}).encode()) == {"text": text}


def test_a_large_body_leaves_the_named_values_raw() -> None:
    content = b'["a.jpg", "' + LARGE + b'"]'

    parameters = parse_json(b'{"fields": {"id": 1}, "fileContent": ' + content + b', "x": [null]}', RAW)

    assert isinstance(parameters["fileContent"], msgspec.Raw)
    assert bytes(parameters["fileContent"]) == content
    assert (parameters["fields"], parameters["x"]) == ({"id": 1}, [None])


@pytest.mark.parametrize("key", ["fileContent", "FILECONTENT", "filecontent"])
def test_raw_keys_are_found_in_any_case(key: str) -> None:
    parameters = parse_json(json.dumps({key: LARGE.decode()}).encode(), RAW)

    assert isinstance(parameters[key], msgspec.Raw)


def test_a_small_body_is_decoded_altogether() -> None:
    assert parse_json(b'{"fileContent": ["a.jpg", "QUJD"]}', RAW) == {"fileContent": ["a.jpg", "QUJD"]}


def test_only_the_top_level_stays_raw() -> None:
    body = json.dumps({"fields": {"fileContent": LARGE.decode()}}).encode()

    assert parse_json(body, RAW) == {"fields": {"fileContent": LARGE.decode()}}


def test_a_large_list_and_a_large_bare_value_are_read_as_small_ones_are() -> None:
    text = LARGE.decode()

    assert parse_json(json.dumps([text, 1]).encode(), RAW) == {"0": text, "1": 1}
    with pytest.raises(InvalidRequest, match="object"):
        parse_json(b'"' + LARGE + b'"', RAW)


@pytest.mark.parametrize("value", [b"nonsense", b'["a", "b"', b'"\xff"', b"1e400"])
def test_a_large_body_is_refused_for_what_is_wrong_beside_the_raw_value(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        parse_json(b'{"fileContent": "' + LARGE + b'", "x": ' + value + b"}", RAW)


@pytest.mark.parametrize("value", [b"nonsense", b'["a", "b"', b"[1,]"])
def test_the_structure_of_a_raw_value_is_checked(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        parse_json(b'{"x": "' + LARGE + b'", "fileContent": ' + value + b"}", RAW)


def test_limits_count_inside_raw_values_too() -> None:
    deep = b"[" * 33 + b"]" * 33

    with pytest.raises(InvalidRequest, match="32 levels"):
        parse_json(b'{"x": "' + LARGE + b'", "fileContent": ' + deep + b"}", RAW)


@pytest.mark.parametrize("text", [b'{"a": [1, "x"]}', bytearray(b'{"a": [1, "x"]}'), msgspec.Raw(b'{"a": [1, "x"]}')])
def test_a_raw_value_can_be_decoded_later(text: bytes | bytearray | msgspec.Raw) -> None:
    assert decode_json(text) == {"a": [1, "x"]}


@pytest.mark.parametrize("text", [b"", b'"\xff"', b"1e400", b'"\\u0000"', b"[" * 33 + b"]" * 33])
def test_decoding_later_refuses_the_same(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_json(msgspec.Raw(text))
