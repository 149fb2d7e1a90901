"""A real server whose originals lie in a bucket of a real S3 server, through both doors and by the commands."""

import hashlib
import os
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import obstore
import pytest
from PIL import Image

import bucket
import pictures
from forking import run
from packshot.storage.blobs.s3 import open_bucket
from packshot.storage.folder import DATABASE
from serving import Server, serving

GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
SHIRT, LARGE = pictures.jpeg_of_size(40_000), pictures.jpeg_of_size(9_000_000)


@dataclass
class Shop:
    """A server, the place of its originals, and its data folder."""

    server: Server
    url: str
    folder: Path

    def call(self, method: str, **params: Any) -> Any:
        answer = httpx.post(f"{self.server.webhook_url}{method}", json=params, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def library(self, method: str, path: str, **more: Any) -> httpx.Response:
        keys = {name: str(self.server.facts[name]) for name in ("web_api_key", "app_key")}
        return httpx.request(method, f"{self.server.base_url}{path}", headers=keys, timeout=60, **more)

    def add(self, data: bytes) -> Any:
        product_id = self.call("catalog.product.add", fields={"iblockId": 1, "name": "Shirt"})["element"]["id"]
        content = ["shirt.jpg", b64encode(data).decode()]
        return self.call("catalog.productImage.add", fields={"productId": product_id}, fileContent=content)[
            "productImage"
        ]

    def get(self, address: str, **headers: str) -> httpx.Response:
        return httpx.get(urljoin(self.server.base_url, address), headers=headers, timeout=60, follow_redirects=True)

    def run(self, *words: str | Path) -> str:
        done = run(*words, "--data", self.folder, environment={**os.environ, "PACKSHOT_BLOBS_URL": self.url})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def objects(self) -> list[str]:
        return sorted(one["path"] for one in obstore.list(open_bucket(self.url), prefix="blobs").collect())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder, url = tmp_path_factory.mktemp("bucket") / "data", bucket.new()
    environment = {"PACKSHOT_BLOBS_URL": url, "PACKSHOT_INTAKE_VERIFY": "full", "PACKSHOT_WORKERS_COUNT": "1"}
    with serving(folder, environment=environment) as server:
        yield Shop(server, url, folder)


def test_a_picture_of_a_product_goes_to_the_bucket_and_comes_back_as_it_was(shop: Shop) -> None:
    image = shop.add(SHIRT)

    digest = hashlib.sha256(SHIRT).hexdigest()
    assert [name for name in shop.objects() if digest in name]
    assert not list((shop.folder / "blobs").glob("*/*"))
    assert shop.get(image["downloadUrl"]).content == SHIRT
    part = shop.get(image["detailUrl"], Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, SHIRT[100:200])


def test_a_rendition_is_made_of_an_original_in_the_bucket(shop: Shop) -> None:
    image = shop.add(SHIRT)

    address = image["detailUrl"].rpartition("/")[0]
    answer = shop.get(f"{address}/thumbnail")

    assert answer.status_code == 200, answer.text
    with Image.open(BytesIO(answer.content)) as picture:
        assert max(picture.size) <= 400


def test_a_large_upload_in_pieces_goes_there_in_parts_and_is_streamed_back(shop: Shop) -> None:
    done = shop.library(
        "PUT", f"/packshot/v3/images/{GUID}", content=(LARGE[at : at + 65_536] for at in range(0, len(LARGE), 65_536))
    )

    assert done.status_code == 200, done.text
    back = shop.get(done.json()["images"][0]["private_hires_uri"])
    assert hashlib.sha256(back.content).digest() == hashlib.sha256(LARGE).digest()


def test_what_is_erased_is_gone_from_the_bucket_and_the_rest_is_verified_and_backed_up(
    shop: Shop, tmp_path: Path
) -> None:
    image = shop.add(pictures.png(9, 9))
    with closing(sqlite3.connect(shop.folder / DATABASE)) as database:
        ((key,),) = database.execute(
            "SELECT b.key FROM image i JOIN blob b ON b.id = i.blob_id WHERE i.id = ?1", (image["id"],)
        ).fetchall()

    shop.run("erase", "image", str(image["id"]), "--yes")

    assert not [name for name in shop.objects() if name.endswith(key)]
    assert "every live one has the bytes that were stored" in shop.run("verify", "--full")
    shop.run("backup", tmp_path / "backups")
    assert len(list((tmp_path / "backups" / "blobs").glob("*/*"))) == len(shop.objects())


def test_a_bucket_that_does_not_answer_is_told_of_and_answered_for(tmp_path: Path) -> None:
    bucket.new()
    nowhere = {"PACKSHOT_BLOBS_URL": "s3://nowhere/shop", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket.free_port()}"}
    with serving(tmp_path / "data", environment=nowhere) as server:
        shop = Shop(server, "", tmp_path)
        product_id = shop.call("catalog.product.add", fields={"iblockId": 1, "name": "Shirt"})["element"]["id"]
        content = {"fields": {"productId": product_id}, "fileContent": ["a.jpg", b64encode(SHIRT).decode()]}
        refused = httpx.post(f"{server.webhook_url}catalog.productImage.add", json=content, timeout=60)
        printed = server.printed()

    assert refused.status_code == 503
    assert "the blob store does not answer" in printed


def test_nothing_but_the_address_of_a_bucket_is_taken_for_one(tmp_path: Path) -> None:
    done = run("init", "--data", tmp_path, environment={**os.environ, "PACKSHOT_BLOBS_URL": "https://bucket/x"})

    assert done.returncode == 2
    assert "blobs.url is 'https://bucket/x': it has to look like s3://bucket/prefix" in done.stderr
