"""Content-Disposition: every name comes back out of it, and nothing but a name goes in."""

import re
from email.message import Message
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from packshot.delivery.disposition import content_disposition
from packshot.domain.errors import InvalidRequest
from packshot.domain.images import file_name

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255)
TRICKY = ['a"b.png', "a\\b.png", "a%41.png", "a;b=c.png", "a'b''c.png", "a,b.png", "Zuñiga.jpg", "фото 1.png",
          "写真.webp", "\N{GRINNING FACE}.gif", " .png", "UTF-8''x.png", "a*=b.png", "\u2028.png"]  # fmt: skip


def by_werkzeug(header: bytes) -> tuple[str, str]:
    kind, options = parse_options_header(header.decode("ascii"))
    return kind, options["filename"]


@pytest.mark.parametrize("name", ["shirt.png", "two words.jpeg", *TRICKY])
@pytest.mark.parametrize("kind", ["attachment", "inline"])
def test_a_name_comes_back_out_of_the_header(kind: Literal["attachment", "inline"], name: str) -> None:
    assert by_werkzeug(content_disposition(kind, name)) == (kind, name)


@given(NAMES)
@example('"; filename="evil.exe')
@example("x\\")
def test_every_printable_name_comes_back_out_of_the_header(name: str) -> None:
    assert by_werkzeug(content_disposition("attachment", name)) == ("attachment", name)


@given(NAMES)
def test_a_parser_that_knows_no_extended_names_reads_the_plain_one(text: str) -> None:
    try:
        name = file_name(text)
    except InvalidRequest:
        return
    message = Message()

    message["Content-Disposition"] = content_disposition("attachment", name).decode("ascii")

    assert message.get_filename() == plain_name(name).strip()


def plain_name(name: str) -> str:
    found = re.search(rb'filename="([^"]*)"', content_disposition("inline", name))
    assert found
    return found[1].decode("ascii")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
@example("a\r\nSet-Cookie: a=b.png")
@example("\0")
def test_no_text_whatever_ends_the_header_or_leaves_its_quotes(text: str) -> None:
    header = content_disposition("inline", text)

    assert re.fullmatch(rb"inline; filename=\"[ !#-\[\]-~]*\"(; filename\*=UTF-8''[!#$&+\-.^_`|~0-9A-Za-z%]*)?", header)


@pytest.mark.parametrize("name", TRICKY)
def test_the_plain_name_has_nothing_that_clients_read_in_different_ways(name: str) -> None:
    plain = plain_name(name)

    assert plain.isascii()
    assert not set(plain) & set('"\\%')


def test_the_plain_name_keeps_letters_and_ending() -> None:
    assert plain_name("Zuñiga № 5.jpeg") == "Zun_iga No 5.jpeg"


def test_a_plain_name_stands_alone() -> None:
    assert content_disposition("attachment", "shirt-1 (2).png") == b'attachment; filename="shirt-1 (2).png"'
