"""Decision 3 and row 17 of the sheet's section 13: how base64 is read, and in which shapes a file arrives."""

import re
import string
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pictures
from build import Call, file_content
from packshot.domain.errors import InvalidRequest
from packshot.protocols.bitrix.uploads import decode

ADD = "catalog.productImage.add"
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
SMALL = pictures.png_around(pictures.png_header(1, 1), bytes(4), pictures.png_chunk(b"tEXt", b"\xfb\xef\xbe\xff" * 30))
LARGE = pictures.jpeg_of_size(50_001)
"""Its base64 lies above the 32 KiB from which on a value stays undecoded JSON until the upload is read."""


def read_by_the_rule(text: str) -> bytes:
    """Decision 3, one character after the other."""
    text = re.sub(r"\Adata:[^,]*;base64,", "", text, flags=re.IGNORECASE).replace(" ", "+")
    if "+" not in text and "/" not in text:
        text = text.replace("-", "+").replace("_", "/")
    bits = "".join(f"{ALPHABET.index(character):06b}" for character in text if character in ALPHABET)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


WAYS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "data prefix": lambda text: "data:image/png;base64," + text,
    "data prefix in capitals": lambda text: "DATA:image/png;charset=x;BASE64," + text,
    "spaces for plus": lambda text: text.replace("+", " "),
    "url-safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "url-safe signs beside the usual ones": lambda text: text[:99] + "-_" + text[99:],
    "line breaks": lambda text: re.sub("(.{76})", r"\1\r\n", text),
    "soft hyphens": lambda text: re.sub("(.{60})", "\\1\u00ad", text),
    "other characters": lambda text: "\ufeff" + text[:50] + "!é\t?" + text[50:],
    "inner padding": lambda text: text[:41] + "=" + text[41:80] + "==" + text[80:],
    "no padding": lambda text: text.rstrip("="),
    "too much padding": lambda text: text + "===",
}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", WAYS)
async def test_decision_3_a_picture_survives_whatever_happened_to_its_base64(
    way: str, data: bytes, call: Call, client: httpx.AsyncClient, product: int
) -> None:
    text = b64encode(data).decode()
    assert "+" in text
    assert "/" in text

    added = await call(ADD, {"fields": {"productId": product}, "fileContent": ["a", WAYS[way](text)]})

    assert (await client.get(added["result"]["productImage"]["downloadUrl"])).content == data


async def test_escaped_slashes_as_php_writes_them_are_slashes(
    client: httpx.AsyncClient, hook: str, product: int
) -> None:
    for data in (SMALL, LARGE):
        text = b64encode(data).decode().replace("/", "\\/")
        body = f'{{"fields":{{"productId":{product}}},"fileContent":["a.png","{text}"]}}'

        added = await client.post(hook + ADD, content=body, headers={"content-type": "application/json"})

        assert (await client.get(added.json()["result"]["productImage"]["downloadUrl"])).content == data


@given(
    prefix=st.sampled_from(["", "", "data:image/png;base64,", "data:;BASE64,"]),
    text=st.text(alphabet="AQgw09zZ+/-_= \n\u00adé", max_size=60),
)
@settings(deadline=None)
@example("", "QQ==QUJD")
@example("", "Q-_w")
@example("", "Q-_+")
@example("", "QUI")
@example("", "QUJDR")
@example("", "QU I=")
def test_decision_3_any_text_is_read_by_the_rule(prefix: str, text: str) -> None:
    expected = read_by_the_rule(prefix + text)

    for given_text in (prefix + text, msgspec.Raw(msgspec.json.encode(prefix + text))):
        if expected:
            assert decode(given_text) == expected
        else:
            with pytest.raises(InvalidRequest):
                decode(given_text)


@given(data=st.binary(min_size=1, max_size=200))
@settings(deadline=None)
def test_strict_base64_comes_back_unchanged(data: bytes) -> None:
    assert decode(b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "text", ["", "=", "====", "A", "data:image/png;base64,", "\u00ad\u00ad", " \n", "...", "\n" * 40_000]
)
async def test_decision_3_nothing_left_is_an_error_with_code_0(text: str, call: Call, product: int) -> None:
    refused = await call(ADD, {"fields": {"productId": product}, "fileContent": ["a.png", text]}, status=400)

    assert refused["error"] == 0


@pytest.mark.parametrize("padding", [0, 40_000], ids=["small", "large"])
@pytest.mark.parametrize("content", [None, 12, True, 1.5, [], ["a"], {}, {"a": "b"}])
async def test_a_content_that_is_no_text_is_an_error_with_code_0(
    content: Any, padding: int, call: Call, product: int
) -> None:
    params = {"fields": {"productId": product}, "fileContent": ["a.png", content], "unknown": "x" * padding}

    refused = await call(ADD, params, status=400)

    assert refused["error"] == 0


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "shape",
    [
        lambda pair: pair,
        lambda pair: [*pair, "more"],
        lambda pair: {"0": pair[0], "1": pair[1]},
        lambda pair: {"1": pair[1], "0": pair[0]},
        lambda pair: {"fileData": pair},
        lambda pair: {"fileData": {"0": pair[0], "1": pair[1]}},
        lambda pair: {"filedata": pair},
    ],
    ids=["list", "longer list", "map", "turned map", "fileData", "fileData map", "in lower case"],
)
async def test_row_17_a_file_may_come_as_list_as_map_and_as_filedata(
    shape: Callable[[list[str]], Any], data: bytes, call: Call, client: httpx.AsyncClient, product: int
) -> None:
    added = await call(ADD, {"fields": {"productId": product}, "fileContent": shape(file_content(data, "x.png"))})

    image = added["result"]["productImage"]
    assert image["name"] == "x.png"
    assert (await client.get(image["downloadUrl"])).content == data


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_row_17_plain_base64_has_no_file_name(data: bytes, call: Call, product: int) -> None:
    refused = await call(ADD, {"fields": {"productId": product}, "fileContent": file_content(data)[1]}, status=400)

    assert refused["error"] == 0
    assert "name" in refused["error_description"]
