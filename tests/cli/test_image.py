"""`packshot image`, beside a running server."""

import io
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image

import pictures
import scenes
from forking import run
from serving import serving

GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
LENT = {"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg"}


def image(folder: Path, *words: str) -> tuple[int, str]:
    done = run("image", *words, "--data", folder)
    return done.returncode, done.stdout + done.stderr


def attach(folder: Path, *words: str) -> tuple[int, str]:
    return image(folder, "attach", *words)


def test_an_image_of_the_library_becomes_a_products_which_a_running_server_shows(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        keys = {name: server.facts[name] for name in ("web_api_key", "app_key")}
        httpx.post(f"{server.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Dunes"}})
        httpx.put(f"{server.base_url}/packshot/v3/images/{GUID}", content=pictures.png(), headers=keys)

        assert attach(folder, GUID.upper(), "1", "detail") == (0, "1\n")
        assert attach(folder, GUID, "1", "detail") == (0, "1\n")

        shown = httpx.post(f"{server.webhook_url}catalog.productImage.list", json={"productId": 1}).json()
        added = httpx.post(f"{server.base_url}/v3/add_images", json={"images": [LENT]}, headers=keys).json()
        lent = attach(folder, added["images"][0]["guid"], "1", "more")

    assert [(image["id"], image["type"]) for image in shown["result"]["productImages"]] == [(1, "DETAIL_PICTURE")]
    assert lent[0] == 2
    assert "upload it" in lent[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((str(uuid4()), "1", "more"), "there is no image"),
        ((GUID, "1", "cover"), "unknown role cover: there are detail, preview, more"),
        ((GUID, "1", "more", "--account", "nobody"), "there is no account nobody"),
    ],
)
def test_what_is_not_there_is_said(folder: Path, words: tuple[str, ...], text: str) -> None:
    code, said = attach(folder, *words)

    assert code == 2
    assert text in said


def facts(folder: Path, name: str) -> dict[str, str]:
    """What `packshot image show` prints, by name."""
    code, printed = image(folder, "show", name)
    assert code == 0, printed
    return dict(line.split(": ", 1) for line in printed.splitlines())


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A store with its running server: image 1 of the library, image 2 with somebody else, image 3 on a product."""
    folder = tmp_path_factory.mktemp("stocked") / "data"
    content = ["shirt.png", b64encode(pictures.png()).decode()]
    with serving(folder) as server:
        keys = {name: server.facts[name] for name in ("web_api_key", "app_key")}
        at = f"{server.base_url}/packshot/v3/images/{GUID}?file_name=a%20b.jpg"
        httpx.put(at, content=scenes.lying(scenes.corners(80, 120), 6), headers=keys)
        httpx.post(f"{server.base_url}/v3/add_images", json={"images": [LENT]}, headers=keys)
        httpx.post(f"{server.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Dunes"}})
        sent = {"fields": {"productId": 1, "type": "MORE_PHOTO"}, "fileContent": content}
        httpx.post(f"{server.webhook_url}catalog.productImage.add", json=sent)
        yield folder, server.base_url


def test_a_picture_is_shown_as_it_was_told_to_be(stocked: tuple[Path, str]) -> None:
    folder, _ = stocked

    assert image(folder, "focus", GUID.upper(), "0.254", "1") == (0, "")
    assert image(folder, "privacy", "1", "strip_all") == (0, "")

    shown, printed = facts(folder, "1"), image(folder, "show", GUID, "--json")[1]
    assert (shown["guid"], shown["width"], shown["height"], shown["focus"]) == (GUID, "80", "120", "0.25 1.0")
    assert (shown["privacy"], shown["version"], shown["card"][:7]) == ("strip_all", "3", "80x120 ")
    assert json.loads(printed)["focus"] == {"x": 0.25, "y": 1.0}


def test_links_lead_to_renditions(stocked: tuple[Path, str]) -> None:
    folder, base_url = stocked

    link = image(folder, "link", "1", "60x30-cover", "--for", "60", "--url", f"{base_url}/")[1].strip()
    preset = image(folder, "link", GUID, "card@2x.png")[1].strip()

    assert Image.open(io.BytesIO(httpx.get(link).content)).size == (60, 30)
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/i/[a-z0-9]{32}(-\d)?/card@2x\.png/a-b\.jpg", preset)
    answer = httpx.get(preset.replace("http://127.0.0.1:8080", base_url))
    assert answer.headers["content-type"] == "image/png"


def test_images_of_products_are_meant_whatever_finerworks_clients_see(
    stocked: tuple[Path, str], tmp_path: Path
) -> None:
    folder, config = stocked[0], tmp_path / "packshot.toml"
    config.write_text("[finerworks]\nshared_library = false\n[delivery]\nbase_url = 'https://cdn.example/'\n")

    for words in (("privacy", "3", "keep"), ("privacy", "3", "default"), ("focus", "3", "0.5", "0.5")):
        assert image(folder, *words, "--config", str(config)) == (0, "")

    shown = facts(folder, "3")
    assert (shown["privacy"], shown["version"]) == ("null", "3")
    assert image(folder, "link", "3", "card", "--config", str(config))[1].startswith("https://cdn.example/i/")


@pytest.mark.parametrize("words", [("show", "2"), ("focus", "2", "0", "0"), ("link", "2", "card")])
def test_there_is_nothing_to_show_of_what_lies_with_somebody_else(
    stocked: tuple[Path, str], words: tuple[str, ...]
) -> None:
    code, said = image(stocked[0], *words)

    assert code == 2
    assert "lies with somebody else" in said


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("focus", GUID, "0", "0"), f"there is no image {GUID}"),
        (("focus", "77", "0", "0"), "there is no image 77"),
        (("focus", GUID, "nan", "0"), "numbers from 0 to 1"),
        (("focus", GUID, "0", "1.01"), "numbers from 0 to 1"),
        (("privacy", GUID, "keep"), "there is no image"),
        (("privacy", GUID, "none"), "unknown privacy none: there are strip_location, strip_all, keep, default"),
        (("link", GUID, "card"), "there is no image"),
        (("link", GUID, "0x0"), "The rendition"),
        (("link", GUID, "card", "--for", "0"), "--for"),
        (("show", GUID), "there is no image"),
        (("show", "9" * 30), "there is no image"),
    ],
)
def test_what_cannot_be_is_said(folder: Path, words: tuple[str, ...], text: str) -> None:
    code, said = image(folder, *words)

    assert code == 2
    assert text in said
