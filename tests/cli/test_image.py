"""`packshot image attach`, beside a running server."""

from pathlib import Path
from uuid import uuid4

import httpx
import pytest

import pictures
from forking import run
from serving import serving

GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
LENT = {"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg"}


def attach(folder: Path, *words: str) -> tuple[int, str]:
    done = run("image", "attach", *words, "--data", folder)
    return done.returncode, done.stdout + done.stderr


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
