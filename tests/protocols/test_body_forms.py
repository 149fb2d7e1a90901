"""Forms and queries: PHP's brackets, percent escapes, and their bounds."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body import parse_form

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0[]"), min_size=1, max_size=8)


def no_list(level: dict[str, Any]) -> bool:
    return list(level) != [str(index) for index in range(len(level))]


TREES = st.recursive(
    TEXTS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4) | st.dictionaries(NAMES, inner, min_size=1, max_size=4).filter(no_list)
    ),
    max_leaves=20,
)


def parameters_of(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
        return
    for key, inner in enumerate(value) if isinstance(value, list) else value.items():
        yield from parameters_of(inner, f"{name}[{key}]")


def query_of(tree: dict[str, Any]) -> str:
    """What PHP's http_build_query makes of the tree."""
    pairs = [pair for name, value in tree.items() for pair in parameters_of(value, name)]
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


@settings(deadline=None)
@given(tree=st.dictionaries(NAMES, TREES, max_size=4))
def test_what_http_build_query_wrote_is_read_back(tree: dict[str, Any]) -> None:
    assert parse_form(query_of(tree)) == tree
    assert parse_form(bytearray(query_of(tree), "ascii")) == tree


@settings(deadline=None)
@given(text=st.binary(max_size=60) | st.text("ab01[]=&%25+\0é\\x", max_size=60).map(str.encode))
@example(b"a=%")
@example(b"a=%4")
@example(b"a=\\x41%41")
@example(b"=[]")
def test_any_bytes_give_parameters_or_an_invalid_request(text: bytes) -> None:
    try:
        parameters = parse_form(text)
    except InvalidRequest:
        return

    assert all(isinstance(key, str) for key in parameters)
    assert not any("\0" in key for key in parameters)


@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_gives_parameters_or_an_invalid_request(text: str) -> None:
    try:
        parse_form(text)
    except InvalidRequest:
        return


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("&", {}),
        ("a=1", {"a": "1"}),
        ("a=1&", {"a": "1"}),
        ("a=1&&b=2", {"a": "1", "b": "2"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a&b[]=1&c", {"a": "", "b": ["1"], "c": ""}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("=1", {}),
        ("a=1&a=2", {"a": "2"}),
        ("a[b]=1", {"a": {"b": "1"}}),
        ("a[b][c]=", {"a": {"b": {"c": ""}}}),
        ("a[b]=1&a[c]=2&d=3", {"a": {"b": "1", "c": "2"}, "d": "3"}),
        ("a[]=x&a[]=y", {"a": ["x", "y"]}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[]=", {"a": [""]}),
        ("0=a&1[x]=b", {"0": "a", "1": {"x": "b"}}),
        ("a%5Bb%5D=1", {"a": {"b": "1"}}),
        ("filter[%3Eid]=5", {"filter": {">id": "5"}}),
        ("fields[PHONE][0][VALUE]=1", {"fields": {"PHONE": [{"VALUE": "1"}]}}),
        ("a[][b]=1&a[][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("q=a+b%20c%2B", {"q": "a b c+"}),
        ("a+b=1", {"a b": "1"}),
        ("%61=%62", {"a": "b"}),
        ("n=%D0%B6+%E2%82%ac", {"n": "ж €"}),
        ("[]=1", {"[]": "1"}),
    ],
)
def test_parameters_are_read_as_php_reads_them(text: str, parameters: dict[str, Any]) -> None:
    assert parse_form(text) == parameters
    assert parse_form(text.encode()) == parameters
    assert parse_form(bytearray(text, "ascii")) == parameters


def test_a_mapping_replaces_an_earlier_value() -> None:
    assert parse_form("a=1&a[b]=2") == {"a": {"b": "2"}}


def test_a_value_replaces_an_earlier_mapping() -> None:
    assert parse_form("a[b]=1&a=2") == {"a": "2"}


def test_empty_brackets_take_the_index_after_the_highest() -> None:
    assert parse_form("a[5]=x&a[]=y&a[2]=z&a[]=w") == {"a": {"5": "x", "6": "y", "2": "z", "7": "w"}}


@pytest.mark.parametrize("key", ["05", "-3", "1.5", "+1", " 1", "٣", "9" * 30, "x"])
def test_a_key_which_is_no_plain_index_moves_nothing(key: str) -> None:
    assert parse_form(f"a[{quote(key)}]=x&a[]=y") == {"a": {key: "x", "0": "y"}}


def test_a_large_index_allocates_nothing() -> None:
    assert parse_form("a[999999999999]=x") == {"a": {"999999999999": "x"}}


def test_indexes_out_of_order_or_with_gaps_stay_keys() -> None:
    assert parse_form("a[1]=x&a[0]=y") == {"a": {"1": "x", "0": "y"}}
    assert parse_form("a[0]=x&a[2]=y") == {"a": {"0": "x", "2": "y"}}


def test_numeric_keys_stay_text() -> None:
    tree = parse_form("7=a&b[8]=c")

    assert [type(key) for key in (*tree, *tree["b"])] == [str, str, str]


@pytest.mark.parametrize("name", ["a[b", "a]b", "a[b]c", "a[b]c[d]", "[a]", "[", "]", "a[", "a]", "a[b]]", "a[b][c"])
def test_brackets_which_do_not_pair_up_are_part_of_the_name(name: str) -> None:
    assert parse_form(f"{name}=1") == {name: "1"}


def test_an_opening_bracket_inside_brackets_is_part_of_the_key() -> None:
    assert parse_form("a[b[c]=1") == {"a": {"b[c": "1"}}


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("100%", "100%"),
        ("100%25", "100%"),
        ("%zz", "%zz"),
        ("%4", "%4"),
        ("%%41", "%A"),
        ("%2541", "%41"),
        ("%25%34%31", "%41"),
        ("%4%31", "%41"),
        ("50% off %26 more", "50% off & more"),
        ("%u0041", "%u0041"),
        ("\\x41%5C\\n%5cn", "\\x41\\\\n\\n"),
        ("\\%zz%41", "\\%zzA"),
        ("+%zz+", " %zz "),
    ],
)
def test_only_whole_percent_escapes_mean_something(escaped: str, plain: str) -> None:
    assert parse_form(f"a={escaped}") == {"a": plain}


@settings(deadline=None)
@given(value=TEXTS, safe=st.sampled_from(["", "/", "\\%+é"]))
def test_a_value_survives_any_way_of_escaping_it(value: str, safe: str) -> None:
    escaped = quote(value.replace("%", "%25").replace("&", "%26").replace("+", "%2B"), safe=safe + "%")

    assert parse_form(f"a={escaped.replace('+', '%2B')}") == {"a": value}


@pytest.mark.parametrize("text", [b"a=\xff", b"a=%ff", b"\xff=1", b"%ff=1", b"a[b]=%ED%A0%80", b"a=+\xff"])
def test_bytes_which_are_not_utf8_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        parse_form(text)


def test_half_a_surrogate_pair_in_a_text_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        parse_form("a=\ud800")


@pytest.mark.parametrize("text", [b"a=%00", b"%00=1", b"a=\0", b"\0=1", b"a[%00]=1", b"a=%d0%b6%00", b"a=+\0"])
def test_a_nul_character_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="NUL") as refusal:
        parse_form(text)

    assert "\0" not in refusal.value.field


def test_the_refusal_names_the_parameter() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_form("fields[name]=%ff")

    assert refusal.value.field == "fields[name]"


@pytest.mark.parametrize("parameter", ["a=1", "a[]=1"])
def test_1000_parameters_are_read_and_1001_refused(parameter: str) -> None:
    parse_form("&".join([parameter] * 1000))

    with pytest.raises(InvalidRequest, match="1000"):
        parse_form("&".join([parameter] * 1001))


def test_16_levels_are_read_and_17_refused() -> None:
    parse_form("a" + "[b]" * 15 + "=1")

    with pytest.raises(InvalidRequest, match="16 levels"):
        parse_form("a" + "[b]" * 16 + "=1")


def test_1000_broken_escapes_in_a_value_are_kept_and_1001_refused() -> None:
    assert parse_form("a=" + "%z" * 1000) == {"a": "%z" * 1000}

    with pytest.raises(InvalidRequest, match="percent"):
        parse_form("a=" + "%z" * 1001)


def test_a_large_value_is_read_whole() -> None:
    content = "ab+/" * 100_000 + "=="

    tree = parse_form(f"fileContent[0]=a.jpg&fileContent[1]={quote(content, safe='')}".encode())

    assert tree == {"fileContent": ["a.jpg", content]}


def test_a_large_plain_text_is_read_as_a_small_one_is() -> None:
    assert parse_form(b"a=" + b"x" * 100_000 + b"&b=2") == {"a": "x" * 100_000, "b": "2"}
