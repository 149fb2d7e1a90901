"""A real server on a real disk that is filled, and one that nobody may write to."""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from build import file_content
from faults.mounting import remount, tiny_disk
from forking import run
from pictures import png, png_chunk
from serving import Server, new_store, serving

MB = 1024 * 1024
RESERVE = {"PACKSHOT_DISK_RESERVE_BYTES": str(4 * MB)}
HEALED_S = 2.0
B24_FULL = {"error": 0, "error_description": "Disk space limit exceeded"}
FW_FULL = "The disk space limit is exceeded"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "disk", 32) as folder:
        yield folder


def picture(size_bytes: int) -> bytes:
    """A picture that nobody has seen before."""
    return png(before=png_chunk(b"tEXt", b"Comment\0" + secrets.token_hex(size_bytes // 2).encode()))


class Shop:
    """Both protocols' clients at one server, who remember what they were promised."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self.client = client
        self.rest = server.webhook_url.removeprefix(server.base_url)
        self.headers = {"web_api_key": server.facts["web_api_key"], "app_key": server.facts["app_key"]}
        self.product_id = self.b24("product.add", fields={"iblockId": 1, "name": "Shirt"})["element"]["id"]
        self.images: dict[int, bytes] = {}
        self.prints: dict[str, bytes] = {}
        self.refused = 0

    def ask(self, method: str, **params: Any) -> httpx.Response:
        return self.client.post(f"{self.rest}catalog.{method}", json=params)

    def b24(self, method: str, **params: Any) -> Any:
        answer = self.ask(method, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def v3(self, verb: str, method: str, **params: Any) -> Any:
        answer = self.client.request(verb, f"/v3/{method}", json=params, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add_image(self, data: bytes) -> bool:
        """Whether the picture was taken; if not, the answer is the one of a full store."""
        answer = self.ask("productImage.add", fields={"productId": self.product_id}, fileContent=file_content(data))
        if answer.status_code == 200:
            self.images[answer.json()["result"]["productImage"]["id"]] = data
            return True
        assert (answer.status_code, answer.json()) == (400, B24_FULL)
        self.refused += 1
        return False

    def add_print(self, data: bytes) -> bool:
        """The same at the other door."""
        guid = str(uuid4())
        answer = self.client.put(f"/packshot/v3/images/{guid}", content=data, headers=self.headers)
        if answer.status_code == 200:
            self.prints[guid] = data
            return True
        assert answer.status_code == 400, answer.text
        assert answer.json()["status"]["message"] == FW_FULL
        self.refused += 1
        return False

    def remove_image(self) -> None:
        image_id = next(iter(self.images))
        assert self.b24("productImage.delete", productId=self.product_id, id=image_id) is True
        del self.images[image_id]

    def remove_print(self) -> None:
        guid = next(iter(self.prints))
        self.v3("DELETE", "delete_images", guids=[guid], library=None)
        del self.prints[guid]

    def must_have_everything(self) -> None:
        """Everything that was acknowledged, as it was, and nothing else."""
        listed = self.b24("productImage.list", productId=self.product_id)["productImages"]
        assert {image["id"] for image in listed} == set(self.images)
        for image in listed:
            assert self.client.get(image["downloadUrl"]).content == self.images[image["id"]]
        assert self.b24("productImage.get", productId=self.product_id, id=listed[0]["id"])
        page = self.v3("POST", "list_images", page_number=1, per_page=200, library=None)["images"]
        assert {image["guid"] for image in page if image["guid"] in self.prints} == set(self.prints)


@contextmanager
def shopping(folder: Path) -> Iterator[tuple[Server, Shop]]:
    """A server over a new store, and its clients."""
    with (
        serving(folder, environment=RESERVE) as server,
        httpx.Client(base_url=server.base_url, timeout=20) as client,
    ):
        yield server, Shop(server, client)


def fill(shop: Shop) -> None:
    """Upload at both doors until neither takes anything any more, however small."""
    for size_bytes in (MB, 64 * 1024, 2_000):
        while shop.add_image(picture(size_bytes)) and shop.add_print(picture(size_bytes)):
            pass
    for _ in range(20):
        shop.add_image(picture(100))
        shop.add_print(picture(100))


def take_the_rest(disk: Path) -> None:
    """Nobody has room for as much as a page afterwards."""
    with (disk / "rest").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def soon(holds: Callable[[], bool]) -> float:
    """After how many seconds it is so."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < HEALED_S, "not healed"
        time.sleep(0.02)
    return time.monotonic() - begun


def metric(shop: Shop) -> str:
    page = shop.client.get("/metrics", headers={"host": "localhost"}).text
    return next(line.split()[1] for line in page.splitlines() if line.startswith("packshot_disk_reserve_held "))


def test_a_full_disk_refuses_uploads_goes_on_with_everything_else_and_heals_by_itself(
    disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(12 * MB))
    folder = disk / "data"

    with shopping(folder) as (server, shop):
        assert metric(shop) == "1.0"
        fill(shop)
        added, refused = len(shop.images) + len(shop.prints), shop.refused
        take_the_rest(disk)
        shop.must_have_everything()
        for _ in range(3):
            shop.remove_image()
            shop.remove_print()
        assert metric(shop) == "0.0"
        assert not shop.add_image(picture(2_000))
        assert not shop.add_print(picture(2_000))
        assert "uploads are refused" in server.printed()
        assert run("doctor", "--data", folder, environment=RESERVE).returncode == 1
        shop.must_have_everything()

        ballast.unlink()
        healed_s = max(soon(lambda: shop.add_image(picture(MB))), soon(lambda: shop.add_print(picture(MB))))
        assert metric(shop) == "1.0"
        assert "its reserve is back" in server.printed()
        shop.must_have_everything()
        assert '"level":"error"' not in server.printed()
        assert "Traceback" not in server.printed()

    done = run("verify", "--full", "--data", folder, environment=RESERVE)
    assert done.returncode == 0, done.stdout + done.stderr
    with capsys.disabled():
        sys.stdout.write(f"\nfull disk: {added} added, {refused} refused as promised, healed after {healed_s:.2f} s\n")


def test_a_server_starts_on_a_full_disk_and_deletes(disk: Path) -> None:
    folder = disk / "data"
    with shopping(folder) as (server, shop):
        shop.add_image(picture(2_000))
        facts = server.facts
    take_the_rest(disk)

    with serving(folder, environment=RESERVE, facts=facts) as server:
        answer = httpx.post(f"{server.webhook_url}catalog.productImage.list", json={"productId": shop.product_id})
        (image,) = answer.json()["result"]["productImages"]
        where = {"productId": shop.product_id, "id": image["id"]}

        gone = httpx.post(f"{server.webhook_url}catalog.productImage.delete", json=where)

        assert gone.json()["result"] is True


def test_a_folder_that_is_read_only_is_said_to_be_so(disk: Path) -> None:
    folder = disk / "data"
    new_store(folder)
    remount(disk, "ro")

    done = run("serve", "--data", folder, "--port", "0")

    assert done.returncode == 2
    assert "Read-only file system" in done.stderr or "cannot be written to" in done.stderr
    assert len(done.stderr.splitlines()) == 1
