"""Names of files: what they are refused for at one door, and how they are cleaned at the other."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.images import MAX_CLEANED_CHARACTERS, cleaned_name, file_name


@given(st.text(max_size=400) | st.text("./\\ \u200b\u0301\x00ab", max_size=300))
def test_a_cleaned_name_is_one_that_is_taken_everywhere_or_empty(text: str) -> None:
    name = cleaned_name(text)

    assert len(name) <= MAX_CLEANED_CHARACTERS
    assert not name or file_name(name) == name
    assert cleaned_name(name) == name


@given(
    st.text(st.characters(categories=("L", "N")), min_size=1, max_size=100).map(
        lambda n: unicodedata.normalize("NFC", n)
    )
)
def test_a_name_that_needs_no_cleaning_stays_as_it_is(stem: str) -> None:
    assert cleaned_name(f"{stem}.jpg") == f"{stem}.jpg"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("dunes.jpg", "dunes.jpg"),
        (" dunes.jpg ", "dunes.jpg"),
        ("C:\\dunes.jpg", "C__dunes.jpg"),
        ("a\nb", "a_b"),
        (".", "_"),
        ("..", "_"),
        ("...", "..."),
        ("\u200b", ""),
        ("x" * 201 + ".jpeg", "x" * 195 + ".jpeg"),
        ("x" * 300 + "." + "y" * 11, "x" * 200),
        ("x" * 10_000_000, "x" * 200),
    ],
)
def test_names_are_cleaned_and_cut(text: str, cleaned: str) -> None:
    assert cleaned_name(text) == cleaned
