"""Bodies made to cost much: each is answered by a refusal or by what it says, in well under a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from packshot.domain.errors import InvalidRequest
from packshot.protocols.body import parse, parse_form, parse_json, parse_multipart

MILLION = 1_000_000
TYPE = "multipart/form-data; boundary=xyz"
PART = b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'


@contextmanager
def in_no_time() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000,
        b"]" * MILLION,
        b":" * MILLION,
        b"," * MILLION,
        b'"' * MILLION,
        b'"\\' * MILLION,
        b"[" + b"[]," * 40 + b'"' + b'\\"' * MILLION,
        b"[" + b"[]," * 40 + b'""' * 5 * MILLION,
        b"[" + b"[]," * 40 + b"]" * 10 * MILLION,
        b'["' + b"\\" * (MILLION + 1) + b'u0000"]',
        b"{" + b",".join(b'"%d":1' % index for index in range(100_000)) + b"}",
        b'{"a":[' + b"1," * MILLION + b"1]}",
        b'{"a":[' + b"[]," * MILLION + b"1]}",
        b'{"a":"' + b"\\ud800" * 100_000 + b'"}',
        b" " * MILLION + b"x",
    ],
    ids=lambda body: f"{bytes(body[:6])!r}...{bytes(body[-4:])!r}",
)
@pytest.mark.parametrize("raw_keys", [frozenset(), frozenset({"a"})], ids=["all", "raw"])
def test_json_made_to_cost_much_is_refused_at_once(body: bytes, raw_keys: frozenset[str]) -> None:
    with in_no_time(), pytest.raises(InvalidRequest):
        parse_json(body, raw_keys)


@pytest.mark.parametrize("number", [b"9" * MILLION, b"1" + b"0" * MILLION + b".0", b"0." + b"0" * MILLION])
def test_an_endless_number_costs_no_time(number: bytes) -> None:
    with in_no_time():
        try:
            parse_json(b'{"a":' + number + b"}")
        except InvalidRequest:
            return


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b"[{:,\\\\" * 200_000 + b'"}',
        b'{"a":"' + b"\\\\u0000" * 100_000 + b'"}',
        b'{"a":"' + b"\\/" * MILLION + b'"}',
        b"{" + b" " * MILLION + b"}",
    ],
    ids=["signs", "no nul", "slashes", "spaces"],
)
def test_json_which_only_looks_costly_is_read_at_once(body: bytes) -> None:
    with in_no_time():
        parse_json(body)


def test_60000_parameters_whose_numbers_collide_are_refused_at_once() -> None:
    text = "&".join(f"a[{index * (2**61 - 1)}]=1" for index in range(60_000))

    with in_no_time(), pytest.raises(InvalidRequest, match="1000"):
        parse_form(text)


def test_1000_parameters_whose_numbers_collide_are_read_at_once() -> None:
    text = "&".join(f"a[{index * (2**61 - 1)}]=1" for index in range(1000))

    with in_no_time():
        assert len(parse_form(text)["a"]) == 1000


@pytest.mark.parametrize(
    "text",
    [
        b"a" + b"[" * MILLION,
        b"a" + b"]" * MILLION,
        b"a" + b"[" * MILLION + b"]",
        b"a=" + b"%41" * MILLION,
        b"a=" + b"%C3%A9" * MILLION,
        b"a=" + b"%5C" * MILLION + b"%zz",
        b"a=" + b"+" * MILLION,
        b"%5B" * MILLION,
        b"[" * MILLION + b"=" * MILLION,
    ],
    ids=lambda text: bytes(text[:6]).decode(),
)
def test_a_long_form_is_read_at_once(text: bytes) -> None:
    with in_no_time():
        parse_form(text)


@pytest.mark.parametrize(
    "text",
    [
        b"&" * MILLION,
        b"=&" * MILLION,
        b"a" + b"[]" * MILLION,
        b"a[" + b"][" * MILLION + b"]",
        b"a=" + b"%" * MILLION,
        b"a=" + b"%41" * MILLION + b"%00",
        b"a=" + b"%ff" * MILLION,
    ],
    ids=lambda text: bytes(text[:6]).decode(),
)
def test_a_form_made_to_cost_much_is_refused_at_once(text: bytes) -> None:
    with in_no_time(), pytest.raises(InvalidRequest):
        parse_form(text)


@pytest.mark.parametrize(
    "body",
    [
        PART * 50_000 + b"--xyz--",
        b"--xyz\r\n" + b"X-A: b\r\n" * 100_000,
        b"--xyz\r\nX-A: " + b"b" * MILLION,
        b"--xyz\r\n" + b"X" * MILLION,
        PART + b"--xyz\r\n" * 100_000,
        PART + b"\r\n--xy" * 100_000,
        b"x" * MILLION,
        b"\r" * MILLION,
        PART + b"\r" * MILLION,
    ],
    ids=["parts", "headers", "long header", "no colon", "boundaries", "nearly", "nothing", "returns", "no end"],
)
def test_a_multipart_flood_is_refused_at_once(body: bytes) -> None:
    with in_no_time(), pytest.raises(InvalidRequest):
        parse_multipart(body, TYPE)


@pytest.mark.parametrize(
    "options", [';a="\\' * 1500, ";a" * 4000, ';a="' * 2000, "; " + " " * 8000, ";a" + " " * 8000, ";" + "a" * 8000]
)
def test_strange_part_headers_cost_no_time(options: str) -> None:
    body = (b"--xyz\r\nContent-Disposition: form-data; name=a" + options.encode() + b"\r\n\r\nx\r\n") * 100

    with in_no_time():
        try:
            parse_multipart(body + b"--xyz--", TYPE)
        except InvalidRequest:
            return


@pytest.mark.parametrize("options", [';a="\\' * 15_000, ";a" * 30_000, '; a="\\"' * 9000, ";a" + " " * 60_000])
def test_a_strange_content_type_costs_no_time(options: str) -> None:
    with in_no_time(), pytest.raises(InvalidRequest):
        parse("multipart/form-data" + options, b"x")
