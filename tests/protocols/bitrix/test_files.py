"""Which names, formats and sizes a picture may have: decisions 4, 16, 22, 36 and row 15 of section 13."""

import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

import pictures
from build import Call, file_content
from packshot.config import Settings
from packshot.domain.originals import ImageLimits
from packshot.protocols.body import BodyLimits

ADD = "catalog.productImage.add"
PICTURE = pictures.png()
TIGHT = Settings(images=ImageLimits(upload_bytes=3000, frames=10), requests=BodyLimits(request_bytes=8000))

FORMATS: dict[str, tuple[Callable[[], bytes], str]] = {
    "jpeg": (pictures.jpeg, "image/jpeg"),
    "png": (pictures.png, "image/png"),
    "gif": (pictures.gif, "image/gif"),
    "webp": (pictures.webp, "image/webp"),
    "avif": (pictures.avif, "image/avif"),
    "tiff": (pictures.tiff, "image/tiff"),
    "bmp": (pictures.bmp, "image/bmp"),
}
NOT_KEPT: dict[str, bytes] = {
    "heic": pictures.heic_like(),
    "psd": pictures.psd_like(),
    "pdf": pictures.pdf_like(),
    "jxl": pictures.jxl_like(),
    "jxl in boxes": pictures.jxl_in_boxes(),
    "svg": pictures.svg(),
    "html": pictures.html(),
    "text": "base64 тест".encode(),
    "half a signature": PICTURE[:4],
}


def adding(product: int, data: bytes = PICTURE, name: str = "a.png") -> dict[str, Any]:
    return {"fields": {"productId": product}, "fileContent": file_content(data, name)}


async def name_of(call: Call, product: int, name: str) -> str:
    added = await call(ADD, adding(product, name=name))
    text: str = added["result"]["productImage"]["name"]
    return text


@pytest.mark.parametrize("character", [*'/\\:*?"<>|', "\x01", "\t", "\n", "\r", "\x1f", "\x7f", "\x85", "\x9f"])
async def test_decision_4_a_name_with_a_forbidden_or_control_character_is_refused(
    character: str, call: Call, product: int
) -> None:
    refused = await call(ADD, adding(product, name=f"a{character}b.png"), status=400)

    assert refused == {"error": 0, "error_description": "The file name contains invalid characters"}


@pytest.mark.parametrize("name", ["", " ", "\u200b\u202e\ufeff"])
async def test_decision_4_a_name_of_nothing_is_refused(name: str, call: Call, product: int) -> None:
    refused = await call(ADD, adding(product, name=name), status=400)

    assert refused["error"] == 0


@pytest.mark.parametrize("name", [".", "..", "\u200b.."])
async def test_a_name_that_means_a_folder_is_refused_since_no_address_could_hold_it(
    name: str, call: Call, product: int
) -> None:
    refused = await call(ADD, adding(product, name=name), status=400)

    assert refused["error"] == 0


async def test_decision_4_a_name_has_255_characters_at_most(call: Call, product: int) -> None:
    longest = "ä" * 251 + ".png"

    kept = await name_of(call, product, longest)
    refused = await call(ADD, adding(product, name="ä" + longest), status=400)

    assert kept == longest
    assert refused["error"] == 0


@pytest.mark.parametrize("invisible", ["\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202e", "\u2066", "\ufeff"])
async def test_decision_4_bidirectional_and_zero_width_characters_are_cleaned_away(
    invisible: str, call: Call, product: int
) -> None:
    assert await name_of(call, product, f"a{invisible}b.png") == "ab.png"


async def test_decision_4_a_name_is_kept_in_composed_form(call: Call, product: int) -> None:
    kept = await name_of(call, product, unicodedata.normalize("NFD", "Köln-é.png"))

    assert kept == unicodedata.normalize("NFC", "Köln-é.png")


@pytest.mark.parametrize(
    "name",
    [
        "plain.png", "with space.png", "ключ.png", "写真.png", "😀.png", "100%.png", "%2e%2e.png", "a&b=c+d.png",
        "a#b.png", "a;b,c.png", "it's (1) [2] {3}.png", "~$^`!@.png", "no-ending", ".hidden", "con", "...",
    ],
)  # fmt: skip
async def test_a_picture_of_any_allowed_name_is_found_under_both_its_addresses(
    name: str, call: Call, client: httpx.AsyncClient, product: int
) -> None:
    image = (await call(ADD, adding(product, name=name)))["result"]["productImage"]

    assert image["name"] == name
    assert (await client.get(image["downloadUrl"])).content == PICTURE
    assert (await client.get(image["detailUrl"])).content == PICTURE


@pytest.mark.parametrize("kind", FORMATS)
async def test_decision_22_a_format_we_keep_is_known_by_its_bytes_whatever_its_name(
    kind: str, call: Call, client: httpx.AsyncClient, product: int
) -> None:
    make, media_type = FORMATS[kind]

    added = await call(ADD, adding(product, make(), "page.html"))
    served = await client.get(added["result"]["productImage"]["detailUrl"])

    assert served.headers["content-type"] == media_type
    assert served.content == make()


@pytest.mark.parametrize("kind", NOT_KEPT)
async def test_decision_22_any_other_format_is_refused_with_code_0(kind: str, call: Call, product: int) -> None:
    refused = await call(ADD, adding(product, NOT_KEPT[kind], "a.png"), status=400)

    assert refused["error"] == 0
    assert refused["error_description"].startswith("Invalid file type")


@pytest.mark.parametrize(
    "data",
    [
        pictures.jpeg_of_size(3001),
        pictures.png_claiming(40_000, 1),
        pictures.png_claiming(10_000, 10_000),
        pictures.gif(frames=11),
    ],
    ids=["bytes", "side", "pixels", "frames"],
)
@pytest.mark.parametrize("settings", [TIGHT], ids=["tight"])
async def test_decision_36_a_picture_over_a_limit_is_a_400_with_code_0(data: bytes, call: Call, product: int) -> None:
    refused = await call(ADD, adding(product, data), status=400)

    assert refused["error"] == 0


@pytest.mark.parametrize("settings", [TIGHT], ids=["tight"])
async def test_a_picture_right_at_the_limit_is_taken(call: Call, product: int) -> None:
    await call(ADD, adding(product, pictures.jpeg_of_size(3000)))


@pytest.mark.parametrize("settings", [TIGHT], ids=["tight"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_decision_36_only_an_oversized_body_is_a_413(
    announced: bool,  # noqa: FBT001 - a parameter of the test, not a switch
    client: httpx.AsyncClient,
    hook: str,
) -> None:
    body = b'{"unknown":"' + b"x" * 8000 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    refused = await client.post(
        f"{hook}{ADD}", content=body if announced else in_pieces(), headers={"content-type": "application/json"}
    )

    assert refused.status_code == 413
    assert refused.json().keys() == {"error", "error_description"}


async def test_decision_16_the_limits_are_25_mib_a_picture_36_mib_a_body_and_50_megapixels(settings: Settings) -> None:
    assert settings.images.upload_bytes == 25 * 1024**2
    assert settings.requests.request_bytes == 36 * 1024**2
    assert settings.images.frame_px == 50_000_000
