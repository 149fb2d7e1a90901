"""Bodies as somebody can read them."""

import base64
import json
import random
import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.emulator.bodies import SHOWN_CHARACTERS, is_kept, readable
from pictures import png

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PICTURE = base64.b64encode(random.Random(5).randbytes(5_000)).decode()


def read(content_type: str, body: bytes) -> str:
    return readable(content_type, body, len(body))


def test_a_picture_in_json_is_shortened_and_the_json_stays_whole() -> None:
    body = json.dumps({"fileContent": ["a.png", PICTURE], "fields": {"productId": 1}})

    shown = json.loads(read(JSON, body.encode()))

    assert shown == {
        "fileContent": ["a.png", f"{PICTURE[:24]}…({len(PICTURE)} characters)"],
        "fields": {"productId": 1},
    }


def test_the_escaped_slashes_of_php_belong_to_the_picture() -> None:
    text = PICTURE.replace("/", "\\/")

    shown = read(JSON, f'{{"fileContent":["a.png","{text}"]}}'.encode())

    assert f"…({len(text)} characters)" in shown or f"…({len(text.rstrip('='))} characters)" in shown
    assert len(shown) < 100


def test_a_picture_in_a_form_is_shortened() -> None:
    body = urlencode({"fields[productId]": 1, "fileContent[0]": "a.png", "fileContent[1]": PICTURE, "id": 2})

    shown = read(FORM, body.encode())

    assert shown.startswith("fields%5BproductId%5D=1&fileContent%5B0%5D=a.png&fileContent%5B1%5D=")
    assert shown.endswith(" characters)&id=2")
    assert len(shown) < 200


@pytest.mark.parametrize("text", ["кружка видом на гавань " * 20, "no base64 has a space" * 20, "a,b;c" * 50])
def test_text_in_any_alphabet_stays_as_it_came(text: str) -> None:
    for content_type, body in (
        (JSON, json.dumps({"name": text})),
        (JSON, json.dumps({"name": text}, ensure_ascii=False)),
        (FORM, f"name={quote(text)}"),
    ):
        assert read(content_type, body.encode()) == body


def test_bytes_are_named_by_type_and_size() -> None:
    assert read("image/png", png()) == f"<image/png, {len(png())} bytes>"
    assert read("", png()) == f"<no text, {len(png())} bytes>"
    assert readable("image/jpeg", b"", 8_000) == "<image/jpeg, 8000 bytes>"
    assert readable("text/html", b"", 80) == "<text/html, 80 bytes>"
    assert read("", b"") == ""


def test_a_multipart_body_is_shown_with_its_files_named() -> None:
    body = (
        b'--sep\r\nContent-Disposition: form-data; name="id"\r\n\r\n7\r\n'
        b'--sep\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        + png() + b"\r\n--sep--\r\n"
    )  # fmt: skip

    shown = read("multipart/form-data; boundary=sep", body)

    assert 'name="id"\r\n\r\n7\r\n' in shown
    assert f"Content-Type: image/png\r\n\r\n<image/png, {len(png())} bytes>\r\n--sep--\r\n" in shown


def test_a_multipart_body_of_a_million_parts_is_not_taken_apart() -> None:
    started = time.process_time()

    shown = read("multipart/form-data; boundary=x", b"--x" * 1_000_000)

    assert time.process_time() - started < 0.5
    assert shown.startswith("--x--x--x")


def test_text_with_runs_just_too_short_for_a_picture_is_looked_at_once() -> None:
    body = (b"a" * 99 + b" ") * 20_000
    started = time.process_time()
    read(JSON, b"a" * 100 + body.replace(b" ", b"a"))
    whole_s = time.process_time() - started

    started = time.process_time()
    read(JSON, body)

    assert time.process_time() - started < max(10 * whole_s, 0.1)


def test_a_long_text_is_cut_with_its_size() -> None:
    shown = read("text/plain", b"ab " * SHOWN_CHARACTERS)

    assert shown.endswith(f"… ({3 * SHOWN_CHARACTERS} bytes in all)")
    assert len(shown) < SHOWN_CHARACTERS + 50


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [("application/json; charset=utf-8", True), (FORM, True), ("text/plain", True), ("application/xml", True),
     ("multipart/form-data; boundary=x", True), ("", True), ("image/png", False), ("text/html", False),
     ("application/octet-stream", False)],
)  # fmt: skip
def test_only_what_can_be_read_is_held_on_to(content_type: str, kept: bool) -> None:  # noqa: FBT001 - one of two
    assert is_kept(content_type) is kept


@given(st.binary(max_size=300), st.sampled_from([JSON, FORM, "", "multipart/form-data; boundary=x", "image/png"]))
def test_any_body_of_any_type_is_readable(body: bytes, content_type: str) -> None:
    assert isinstance(read(content_type, body), str)
