"""Conditional and range requests, value by value, and against another implementation of the same RFC."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_range_header

from packshot.delivery.ranges import Unsatisfiable, is_refused, is_unchanged, wanted_range

ETAG = b'"abc"'
SIZE_BYTES = 1000


def wanted(header: bytes, **others: bytes) -> tuple[int, int] | None:
    given_headers = {name.replace("_", "-").encode(): value for name, value in others.items()}
    return wanted_range({b"range": header, **given_headers}, ETAG, SIZE_BYTES)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (b"bytes=0-0", (0, 1)),
        (b"bytes=0-499", (0, 500)),
        (b"bytes=500-", (500, 1000)),
        (b"bytes=999-", (999, 1000)),
        (b"bytes=900-5000", (900, 1000)),
        (b"bytes=-1", (999, 1000)),
        (b"bytes=-200", (800, 1000)),
        (b"bytes=-5000", (0, 1000)),
        (b"  bytes=1-2  ", (1, 3)),
    ],
)
def test_one_range_is_cut_to_the_bytes_there_are(header: bytes, part: tuple[int, int]) -> None:
    assert wanted(header) == part


@pytest.mark.parametrize("header", [b"bytes=1000-", b"bytes=1000-1000", b"bytes=5000-6000", b"bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header: bytes) -> None:
    with pytest.raises(Unsatisfiable):
        wanted(header)


@pytest.mark.parametrize(
    "header",
    [b"", b"bytes=", b"bytes=-", b"bytes=0-1,5-6", b"bytes=9-3", b"bytes=a-b", b"bytes=--1", b"lines=0-1", b"0-1",
     "bytes=\N{ARABIC-INDIC DIGIT ONE}-".encode()],
)  # fmt: skip
def test_what_is_no_single_range_of_bytes_means_the_whole(header: bytes) -> None:
    assert wanted(header) is None


def test_no_range_header_means_the_whole() -> None:
    assert wanted_range({}, ETAG, SIZE_BYTES) is None


@pytest.mark.parametrize(
    ("validator", "part"),
    [
        (b'"abc"', (0, 1)),
        (b'"other"', None),
        (b'W/"abc"', None),
        (b"abc", None),
        (b"Sat, 21 Nov 2026 05:00:00 GMT", None),
    ],
)
def test_a_range_counts_only_for_the_copy_that_if_range_names(validator: bytes, part: tuple[int, int] | None) -> None:
    assert wanted(b"bytes=0-0", if_range=validator) == part


@given(st.from_regex(rb"bytes=[0-9]{1,4}-[0-9]{0,4}", fullmatch=True), st.integers(1, 3000))
def test_ranges_are_those_another_implementation_finds(header: bytes, size_bytes: int) -> None:
    parsed = parse_range_header(header.decode())
    expected = parsed.range_for_length(size_bytes) if parsed else None

    assert found(header, size_bytes) == expected


@given(st.integers(1, 5000), st.integers(1, 3000))
def test_a_suffix_is_the_last_bytes_there_are(length: int, size_bytes: int) -> None:
    everything = range(size_bytes)

    part = found(b"bytes=-%d" % length, size_bytes)

    assert part is not None
    assert everything[slice(*part)] == everything[-length:]


def found(header: bytes, size_bytes: int) -> tuple[int, int] | None:
    """The range, None also where it cannot be satisfied."""
    try:
        return wanted_range({b"range": header}, ETAG, size_bytes)
    except Unsatisfiable:
        return None


@given(st.binary(max_size=40), st.integers(1, 3000))
def test_no_header_whatever_leads_outside_the_bytes(header: bytes, size_bytes: int) -> None:
    part = found(header, size_bytes)

    assert part is None or 0 <= part[0] < part[1] <= size_bytes


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [
        (b'"abc"', True),
        (b'W/"abc"', True),
        (b'"x", "abc"', True),
        (b'"x" ,W/"abc"', True),
        (b"*", True),
        (b'"x"', False),
        (b"abc", False),
        (b"", False),
    ],
)
def test_a_copy_is_good_when_if_none_match_names_it(header: bytes, *, unchanged: bool) -> None:
    assert is_unchanged({b"if-none-match": header}, ETAG) == unchanged


@pytest.mark.parametrize(
    ("header", "refused"),
    [(b'"abc"', False), (b'"x", "abc"', False), (b"*", False), (b'"x"', True), (b'W/"abc"', True), (b"", True)],
)
def test_if_match_takes_strong_tags_only(header: bytes, *, refused: bool) -> None:
    assert is_refused({b"if-match": header}, ETAG) == refused


def test_a_request_without_conditions_is_neither_unchanged_nor_refused() -> None:
    assert not is_unchanged({}, ETAG)
    assert not is_refused({}, ETAG)
