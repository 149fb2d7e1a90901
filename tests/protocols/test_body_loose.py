"""JSON as Json.NET reads it: what it takes beyond the standard, and that nothing else changes."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body import decode_json, decode_loosely

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
NAMES = st.from_regex(r"[A-Za-z_$][A-Za-z0-9_$]{0,8}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=4),
    max_leaves=20,
)
GAPS = st.sampled_from(["", " ", "\n", "/* a, 'b' } */", "// it's {\n", " /**/ ", "/***/"])


class Careless:
    """Writes values as somebody careless would."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw

    def write(self, value: Any) -> str:
        if isinstance(value, str):
            return self.quoted(value)
        if isinstance(value, dict):
            return self.joined(
                [f"{self.name(key)}:{self.gap()}{self.write(item)}" for key, item in value.items()], "{}"
            )
        return self.joined([self.write(item) for item in value], "[]") if isinstance(value, list) else json.dumps(value)

    def gap(self) -> str:
        return str(self.draw(GAPS))

    def quoted(self, text: str) -> str:
        if self.draw(st.booleans()):
            return json.dumps(text, ensure_ascii=self.draw(st.booleans()))
        raw = text.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{raw}'"

    def name(self, text: str) -> str:
        is_bare = text.isascii() and text.replace("$", "_").isidentifier() and self.draw(st.booleans())
        return text + " " * self.draw(st.integers(0, 2)) if is_bare else self.quoted(text) + self.gap()

    def joined(self, parts: list[str], ends: str) -> str:
        trailing = "," if parts and self.draw(st.booleans()) else ""
        inside = ",".join(self.gap() + part + self.gap() for part in parts)
        return ends[0] + self.gap() + inside + trailing + self.gap() + ends[1]


@given(value=VALUES, data=st.data())
def test_what_is_written_carelessly_is_read_as_it_was_meant(value: Any, data: st.DataObject) -> None:
    text = Careless(data.draw).write(value)

    assert decode_loosely(text.encode()) == value


@given(value=VALUES, ascii_only=st.booleans())
def test_strict_json_is_read_as_ever(value: Any, *, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert decode_loosely(text) == decode_json(text) == value


@given(text=st.binary(max_size=80) | st.text("[]{}\"',:/*\\ \nux019aentlrf$-.", max_size=80).map(str.encode))
def test_any_bytes_give_a_value_or_an_invalid_request(text: bytes) -> None:
    try:
        strict = decode_json(text)
    except InvalidRequest:
        try:
            decode_loosely(text)
        except InvalidRequest:
            return
    else:
        assert decode_loosely(text) == strict


def test_a_body_like_that_of_the_ruby_sample() -> None:
    body = b"{'guids':['2d273599-962a-498c-be07-cec9e80bacf2','7c5c9470-cf14-4ba0-89ff-97197c6989c2'],'library':null}"

    assert decode_loosely(body) == {
        "guids": ["2d273599-962a-498c-be07-cec9e80bacf2", "7c5c9470-cf14-4ba0-89ff-97197c6989c2"],
        "library": None,
    }


def test_a_body_like_that_of_the_c_sharp_sample() -> None:
    body = (
        b"{\r\n  'library': {\r\n    'name': 'inventory',\r\n    'session_id': '1234567890',\r\n    'account_key': '',"
        b"\r\n    'site_id': 2\r\n  },"
        b"\r\n  'search_filter': 'cat',\r\n  'page_number': 1,\r\n  'list_products': true\r\n}"
    )

    assert decode_loosely(body) == {
        "library": {"name": "inventory", "session_id": "1234567890", "account_key": "", "site_id": 2},
        "search_filter": "cat",
        "page_number": 1,
        "list_products": True,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1}", {"a": 1}),
        ("{$a_1 : 1, é: 2}", {"$a_1": 1, "é": 2}),
        ("{true: true}", {"true": True}),
        ("[1, 2,]", [1, 2]),
        ("{'a': 'it\\'s \"so\"'}", {"a": 'it\'s "so"'}),
        ('{"a": "it\\\'s"}', {"a": "it's"}),
        ("'two\nlines\tand more'", "two\nlines\tand more"),
        ("'\\u00e9\\n'", "é\n"),
        ("['a//b', \"/* c */\", 'd',] // e", ["a//b", "/* c */", "d"]),
        ("/* a */ {'b' /* c */ : /* d */ 1e5 } /* e */", {"b": 1e5}),
        ("{'a': -1.5,\n // the last one\n}", {"a": -1.5}),
    ],
)
def test_the_liberties_one_by_one(text: str, value: Any) -> None:
    assert decode_loosely(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 1", "{'a: 1}", "{'a': 'b\\'}", "{'a': b}", "{'a' 1}", "['a' 'b']", "[1 2]", "{'a': 01}", "{'a': NaN}",
        "{'a': Infinity}", "{'a': 1} x", "[1] /* x", "/", "[1,,2]", "'\\x41'", "'\\ud800'", "{'a': 1e400}", "{a b: 1}",
        "{1: 2}", "'", "[undefined]", "", "//", "/**/",
    ],
)  # fmt: skip
def test_what_remains_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        decode_loosely(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        b"{'a': '\0'}",
        b"{'a': '\\u0000'}",
        b"{'\0': 1}",
        b"['a'," * 33 + b"]" * 33,
        b"{a:" * 33 + b"1" + b"}" * 33,
        b"{" + b",".join(b"k%d:1" % index for index in range(1_001)) + b"}",
        b"['a'" + b",1" * 20_000 + b"]",
        b"{'a': '\xff'}",
    ],
)
def test_the_limits_are_those_of_strict_json(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_loosely(text)


def test_signs_inside_of_texts_count_for_nothing() -> None:
    text = "[{:," * 10_000

    assert decode_loosely(f"['{text}']".encode()) == [text]


def test_only_strict_json_may_be_larger_than_a_mebibyte() -> None:
    large = "x" * 1_048_576

    assert decode_loosely(f'["{large}"]'.encode()) == [large]
    with pytest.raises(InvalidRequest):
        decode_loosely(f"['{large}']".encode())


@pytest.mark.parametrize(
    "piece", ["/*", "//", "'", '"', "a", "a ", ", ", "/", "\\", "'\\", "*/", "{", "[", ",/*", "a:", "'a',", "$", "\n"]
)
def test_hostile_texts_take_time_in_proportion_to_their_length(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length].encode()
        best = 10.0
        for _ in range(3):
            began = time.process_time()
            with pytest.raises(InvalidRequest):
                decode_loosely(text)
            best = min(best, time.process_time() - began)
        return best

    seconds(1_000)

    assert seconds(800_000) < 40 * seconds(100_000) + 0.05
