"""A real server and its image workers: damaged pictures are refused by both doors, and no worker outlives it."""

from base64 import b64encode
from pathlib import Path

import httpx

import pictures
from serving import Server, serving

FULL = {"PACKSHOT_INTAKE_VERIFY": "full", "PACKSHOT_WORKERS_COUNT": "1"}


def add(server: Server, data: bytes) -> httpx.Response:
    content = {"fields": {"productId": 1}, "fileContent": ["photo.jpeg", b64encode(data).decode()]}
    return httpx.post(f"{server.webhook_url}catalog.productImage.add", json=content, timeout=30)


def put(server: Server, data: bytes) -> httpx.Response:
    keys = {name: str(server.facts[name]) for name in ("web_api_key", "app_key")}
    address = f"{server.base_url}/packshot/v3/images/2d273599-962a-498c-be07-cec9e80bacf2"
    return httpx.put(address, content=data, headers=keys, timeout=30)


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def test_damaged_pictures_are_refused_in_the_words_of_each_door_and_no_worker_outlives_the_server(
    tmp_path: Path,
) -> None:
    whole = pictures.jpeg_of_size(100_000)
    cut = whole[: len(whole) // 2]
    with serving(tmp_path / "data", environment=FULL) as server:
        product = {"fields": {"iblockId": 1, "name": "Shirt"}}
        httpx.post(f"{server.webhook_url}catalog.product.add", json=product).raise_for_status()

        refused, taken = add(server, cut), add(server, whole)
        refused_too, taken_too = put(server, cut), put(server, whole)
        workers = workers_of(server.process.pid)

    assert (refused.status_code, refused.json()["error"]) == (400, 0)
    assert "The image is " in refused.json()["error_description"]
    assert taken.status_code == 200
    assert (refused_too.status_code, taken_too.status_code) == (400, 200)
    assert "The image is " in refused_too.json()["ModelState"]["request"][0]
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
