"""`packshot trash` beside a running server: what a client deleted comes back by one command, to the last byte."""

import asyncio
import atexit
import hashlib
from pathlib import Path
from typing import Any

import httpx

from build import fail_loudly, make_product
from forking import run
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.products import Kind
from packshot.services import calls, products
from pictures import png
from serving import Server, serving

COUNT, SOLD = 500, 1_200
CLIENT = httpx.Client(timeout=60)
atexit.register(CLIENT.close)


def ask(server: Server, verb: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
    keys = {name: str(server.facts[name]) for name in ("web_api_key", "app_key")}
    answer = CLIENT.request(verb, f"{server.base_url}/v3/{method}", headers=keys, json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def trash(folder: Path, *words: str) -> list[str]:
    done = run("trash", *words, "--data", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def upload(server: Server, number: int) -> str:
    keys = {name: str(server.facts[name]) for name in ("web_api_key", "app_key")}
    guid = f"00000000-0000-4000-8000-{number:012}"
    place = f"{server.base_url}/packshot/v3/images/{guid}?file_name={number}.png"
    assert CLIENT.put(place, headers=keys, content=png(2 + number, 2)).status_code == 200
    return guid


def shown(server: Server) -> list[list[Any]]:
    """All that clients see of images and of what is sold of them, and the digests of the bytes."""
    pages = [ask(server, "POST", "list_images", {"page_number": page, "per_page": 50}) for page in range(1, 11)]
    images = [image for page in pages for image in page["images"]]
    sold = [
        product
        for page in range(1, 25)
        for product in ask(server, "POST", "list_virtual_inventory", {"page_number": page, "per_page": 50})["products"]
    ]
    addresses = [image["private_hires_uri"] for image in images if image["guid"].startswith("00000000-0000-")]
    return [images, sold, [hashlib.sha256(CLIENT.get(address).content).hexdigest() for address in addresses]]


def test_five_hundred_images_with_what_is_sold_of_them_are_deleted_and_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        hosted = [upload(server, number) for number in range(20)]
        told = [
            {"title": f"{n}", "file_name": f"{n}.jpg", "private_hires_uri": f"https://img.example/{n}.jpg",
             "pix_w": 30, "pix_h": 20} for n in range(COUNT - len(hosted))
        ]  # fmt: skip
        added = [
            image["guid"]
            for first in range(0, len(told), 5)
            for image in ask(server, "POST", "add_images", {"images": told[first : first + 5]})["images"]
        ]
        guids = [*hosted, *added]
        for number in range(SOLD):
            guid = guids[number % COUNT]
            product = {
                "product_sku": "5M41M9S8X10",
                "product_qty": 1,
                "product_image": {"library_file": {"guid": guid}},
            }
            ask(server, "POST", "submit_product", {"product": product, "mode": "store"})
        before = shown(server)

        ask(server, "DELETE", "delete_images", {"guids": guids})
        gone = shown(server)
        (line,) = trash(folder, "list")
        restored = trash(folder, "restore", line.split()[0])
        after = shown(server)

    assert gone == [[], [], []]
    assert f"{COUNT} things by delete_images" in line
    assert restored == [f"restored: {COUNT}"]
    assert [len(part) for part in before] == [COUNT, SOLD, len(hosted)]
    assert after == before
    assert run("trash", "list", "--data", folder).stderr == "there is no deletion\n"


def test_a_deletion_is_shown_and_given_up_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        guid = upload(server, 1)
        ask(server, "DELETE", "delete_images", {"guids": [guid]})

    head, item = trash(folder, "show", "1")
    trash(folder, "purge", "1")
    missing = run("trash", "restore", "1", "--data", folder)

    assert head.startswith("1 ")
    assert item == f"  image {guid} 1.png"
    assert missing.returncode == 2
    assert missing.stderr == "packshot: there is no deletion 1: `packshot trash list` shows what there is\n"


async def delete_products(folder: Path, names: list[str]) -> None:
    """Make and delete products with these names, each by a request of its own."""
    async with app.open_core(folder, Settings(), fail_loudly) as core:
        admin = Principal(1, 1, "administrator", frozenset(), 1)
        for number, name in enumerate(names):
            calls.REQUEST_ID.set(f"request {number}")
            product_id = await make_product(core, admin, name)
            await products.remove(core, admin, product_id, tuple(Kind))


def test_a_long_list_says_how_it_goes_on(tmp_path: Path) -> None:
    assert run("init", "--data", tmp_path).returncode == 0
    asyncio.run(delete_products(tmp_path, ["Shirt"] * 51))

    first = run("trash", "list", "--data", tmp_path)
    rest = run("trash", "list", "--data", tmp_path, "--before", "2")
    end = run("trash", "list", "--data", tmp_path, "--before", "1")

    assert len(first.stdout.splitlines()) == 50
    assert first.stderr == "50 deletions are shown: for older ones add --before 2\n"
    assert (len(rest.stdout.splitlines()), rest.stderr) == (1, "")
    assert (end.stdout, end.stderr) == ("", "there is no deletion before 1\n")


def test_names_reach_the_terminal_as_text(tmp_path: Path) -> None:
    assert run("init", "--data", tmp_path).returncode == 0
    asyncio.run(delete_products(tmp_path, ["\x1b[2J\rgrün 'a b\"\n"]))

    shown = trash(tmp_path, "show", "1")

    assert shown[1:] == ["  product 1 \\x1b[2J\\rgrün 'a b\"\\n"]


def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert run("init", "--data", tmp_path).returncode == 0
    asyncio.run(delete_products(tmp_path, ["Shirt"]))

    said = {
        words: run("trash", *words, "--data", tmp_path)
        for words in [("show", "7"), ("purge", "-3"), ("show", "x"), ("list", "--account", "nobody"),
                      ("restore", "1", "--only", "\x1b[1m"), ("restore", "1" * 30)]
    }  # fmt: skip

    for words, done in said.items():
        assert (done.returncode, done.stdout) == (2, ""), words
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stderr
