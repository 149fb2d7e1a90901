"""Multipart forms: plain fields with brackets in their names, strictly bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body import parse_multipart

TYPE = "multipart/form-data; boundary=xyz"


def field(name: str, value: bytes, *headers: str) -> bytes:
    head = "\r\n".join([f'Content-Disposition: form-data; name="{name}"', *headers])
    return b"--xyz\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


def form(*fields: bytes) -> bytes:
    return b"".join(fields) + b"--xyz--\r\n"


def refused(body: bytes, content_type: str = TYPE) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        parse_multipart(body, content_type)
    return refusal.value


def test_fields_with_brackets_become_a_tree() -> None:
    body = form(field("fields[productId]", b"1"), field("fileContent[]", b"a.jpg"), field("fileContent[]", b"QUJD"))

    expected = {"fields": {"productId": "1"}, "fileContent": ["a.jpg", "QUJD"]}
    assert parse_multipart(body, TYPE) == expected
    assert parse_multipart(bytearray(body), TYPE) == expected


def test_values_are_taken_as_they_are() -> None:
    body = form(field("a", "ж +%41\r\n&b=2\r\n--xy".encode()), field("b", b""))

    assert parse_multipart(body, TYPE) == {"a": "ж +%41\r\n&b=2\r\n--xy", "b": ""}


def test_a_form_without_fields_is_no_parameters() -> None:
    assert parse_multipart(form(), TYPE) == {}


def test_a_field_without_name_is_ignored() -> None:
    assert parse_multipart(form(field("", b"1"), field("b", b"2")), TYPE) == {"b": "2"}


def test_a_file_part_is_read_like_a_field() -> None:
    body = form(
        b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhi\r\n'
    )

    assert parse_multipart(body, TYPE) == {"f": "hi"}


def test_a_value_which_is_not_utf8_is_refused_by_name() -> None:
    refusal = refused(form(field("picture", b"\xff\xd8\xff\xe0")))

    assert (refusal.field, refusal.why) == ("picture", "is not UTF-8")


def test_a_nul_character_is_refused_in_a_value_and_in_a_name() -> None:
    assert refused(form(field("a", b"x\0y"))).field == "a"
    assert "NUL" in refused(form(field("a\0b", b"x"))).why


def test_a_large_value_is_read_whole() -> None:
    value = b"0123456789abcdef\r\n" * 50_000

    assert parse_multipart(form(field("a", value), field("b", b"1")), TYPE) == {"a": value.decode(), "b": "1"}


@settings(deadline=None)
@given(padding=st.integers(262_144 - 120, 262_144 + 10))
def test_it_does_not_matter_where_the_pieces_meet_which_the_parser_gets(padding: int) -> None:
    body = form(field("a", b"x" * padding), field("b", b"1"))

    assert parse_multipart(body, TYPE) == {"a": "x" * padding, "b": "1"}


@settings(deadline=None)
@given(
    body=st.binary(max_size=80) | st.lists(st.sampled_from([b"--xyz", b"\r\n", b"--", b": ", b"\xff"])).map(b"".join)
)
def test_any_bytes_give_parameters_or_an_invalid_request(body: bytes) -> None:
    try:
        parse_multipart(body, TYPE)
    except InvalidRequest:
        return


@settings(deadline=None)
@given(head=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40))
def test_any_part_header_gives_parameters_or_an_invalid_request(head: str) -> None:
    try:
        parse_multipart(form(b"--xyz\r\nContent-Disposition: form-data" + head.encode() + b"\r\n\r\nx\r\n"), TYPE)
        parse_multipart(form(field("a", b"x", head)), TYPE)
    except InvalidRequest:
        return


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "x" * 71,
        'multipart/form-data; boundary="é"',
        'multipart/form-data; boundary="\ud800"',
        "multipart/form-data; charset=utf-8",
    ],
)
def test_a_missing_or_unusable_boundary_is_refused(content_type: str) -> None:
    assert refused(form(), content_type).field == "Content-Type"


def test_a_boundary_may_be_quoted_and_its_name_in_any_case() -> None:
    assert parse_multipart(form(field("a", b"1")), 'Multipart/Form-Data; charset=utf-8; BOUNDARY="xyz"') == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a=1&b=2",
        field("a", b"1"),
        field("a", b"1") + b"--xyz",
        field("a", b"1")[:20],
        field("a", b"1") + b"--other--",
        b"--xyz\r\n\r\nvalue\r\n--xyz--",
        b"--xyz\r\nno header\r\n\r\nvalue\r\n--xyz--",
        b"--xyz\r\nContent-Disposition: attachment\r\n\r\nvalue\r\n--xyz--",
        b"--xyz\nContent-Disposition: form-data; name=a\n\nvalue\n--xyz--",
        form(field("a", b"value", "Content-Length: 1")),
    ],
)
def test_a_broken_or_unfinished_form_is_refused(body: bytes) -> None:
    assert refused(body).field == "body"


def test_100_parts_are_read_and_101_refused() -> None:
    parse_multipart(form(*[field("a[]", b"1")] * 100), TYPE)

    assert "100 parts" in refused(form(*[field("a[]", b"1")] * 101)).why


def test_8_kib_of_headers_in_a_part_are_read_and_more_refused() -> None:
    parse_multipart(form(field("a", b"1", "X-A: " + "x" * 8000)), TYPE)

    assert "headers" in refused(form(field("a", b"1", "X-A: " + "x" * 8200))).why
    assert "headers" in refused(form(field("a", b"1", "X-A: " + "x" * 4200, "X-B: " + "x" * 4200))).why
    assert "headers" in refused(form(field("a", b"1", *["X-A: x"] * 8))).why
