"""deploy/nginx.conf, with the addresses of this run, before two real nodes, and before nodes that are gone or dying."""

import hashlib
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bucket import free_port
from build import file_content
from deployed import HOST, Front, nginx
from pictures import jpeg_of_size, png
from serving import Server, new_store, serving

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.needs("openssl")]

SETTINGS = {
    "PACKSHOT_SERVER_TRUSTED_PROXIES": "127.0.0.1",
    "PACKSHOT_BITRIX_REQUIRE_HTTPS": "true",
    "PACKSHOT_DELIVERY_ACCEL_REDIRECT": "/_packshot/",
}
PICTURE = png(30, 20)


@dataclass
class Shop:
    """Two nodes that know one picture: by which paths, and where its bytes are."""

    nodes: list[Server]
    data: Path
    hook: str
    paths: dict[str, str]

    @property
    def addresses(self) -> list[str]:
        return [urlsplit(node.base_url).netloc for node in self.nodes]


def _fill(server: Server) -> dict[str, str]:
    """The paths of a new picture."""
    headers = {"host": HOST, "x-forwarded-proto": "https"}
    with httpx.Client(base_url=server.webhook_url, headers=headers) as api:
        fields: dict[str, Any] = {"iblockId": 1, "name": "dunes"}
        product_id = api.post("catalog.product.add", json={"fields": fields}).json()["result"]["element"]["id"]
        fields = {"productId": product_id, "type": "MORE_PHOTO"}
        new = {"fields": fields, "fileContent": file_content(PICTURE, "dunes.png")}
        image = api.post("catalog.productImage.add", json=new).json()["result"]["productImage"]
    return {name: image[name].removeprefix(f"https://{HOST}") for name in ("detailUrl", "downloadUrl")}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Two nodes over two stores that are the same, up to here."""
    place = tmp_path_factory.mktemp("nodes")
    facts = new_store(place / "one")
    with serving(place / "one", facts=facts, environment=SETTINGS) as server:
        paths = _fill(server)
    shutil.copytree(place / "one", place / "two")
    with (
        serving(place / "one", facts=facts, environment=SETTINGS) as one,
        serving(place / "two", facts=facts, environment=SETTINGS) as two,
    ):
        yield Shop([one, two], place / "one", urlsplit(one.webhook_url).path, paths)


@pytest.fixture
def front(shop: Shop, tmp_path: Path) -> Iterator[Front]:
    with nginx(tmp_path / "nginx", shop.data, shop.addresses) as opened:
        yield opened


# Both are there


def test_calls_are_spread_over_the_nodes(shop: Shop, front: Front) -> None:
    answers = [front.client.post(f"{shop.hook}catalog.catalog.list") for _ in range(8)]

    assert {answer.status_code for answer in answers} == {200}
    assert {line.split()[7] for line in front.lines(8)} == set(shop.addresses)


def test_a_picture_comes_from_one_node_and_its_bytes_from_nginx(shop: Shop, front: Front) -> None:
    answers = [front.client.get(shop.paths[name]) for name in ("detailUrl",) * 4 + ("downloadUrl",)]

    assert {answer.content for answer in answers} == {PICTURE}
    assert "x-accel-redirect" not in {name for answer in answers for name in answer.headers}
    assert len({line.split()[7] for line in front.lines(5)[:4]}) == 1
    with httpx.Client(base_url=shop.nodes[0].base_url, headers={"host": HOST}) as direct:
        assert direct.get(shop.paths["detailUrl"]).headers["x-accel-redirect"].startswith("/_packshot/blobs/")


def test_keys_in_headers_with_underscores_get_through(shop: Shop, front: Front) -> None:
    keys = {name: shop.nodes[0].facts[name] for name in ("web_api_key", "app_key")}

    answers = [front.client.get("/v3/test_my_credentials", headers=keys) for _ in range(4)]

    assert {answer.json()["status"]["success"] for answer in answers} == {True}


def test_no_secret_is_written_down(shop: Shop, front: Front) -> None:
    code = shop.hook.split("/")[3]
    token = shop.paths["downloadUrl"].partition("token=")[2]
    key = shop.paths["detailUrl"].split("/")[4]
    keys = {name: shop.nodes[0].facts[name] for name in ("web_api_key", "app_key")}
    asked = [
        f"{shop.hook}catalog.catalog.list.json?select[]={code}",
        f"/rest//1/{code}/catalog.catalog.list",
        f"/rest/{code}",
        f"/rest/1/{code}",
        f"/rest/{code}/1/catalog.catalog.list",
        f"/{code}/x",
        f"/rest/catalog.catalog.list?auth={code}",
        *shop.paths.values(),
        f"/i/{key}/card",
        f"/v3/test_my_credentials?web_api_key={keys['web_api_key']}&app_key={keys['app_key']}",
    ]

    for path in asked:
        front.client.get(path)

    lines = front.lines(len(asked))
    written = "\n".join(lines) + (front.folder / "stderr").read_text("utf-8")
    assert not [secret for secret in (code, token, key, *keys.values()) if secret in written]
    assert [line.split()[3] for line in lines] == [
        "/rest/1/***/catalog.catalog.list.json",
        "***",
        "***",
        "***",
        "***",
        "***",
        "/rest/catalog.catalog.list",
        "/upload/***",
        "/rest/download.json",
        "/i/***",
        "/v3/test_my_credentials",
    ]


def test_only_files_to_be_printed_may_be_larger_than_a_call(shop: Shop, front: Front) -> None:
    keys = {name: shop.nodes[0].facts[name] for name in ("web_api_key", "app_key")}
    large = jpeg_of_size(37 * 1024 * 1024 + 1)

    call = front.client.post(f"{shop.hook}catalog.catalog.list", content=large)
    upload = front.client.post("/packshot/v3/upload", headers=keys, files={"file": ("poster.jpg", large)})

    assert call.status_code == 413
    assert upload.json()["status"]["success"] is True


@pytest.mark.parametrize("path", ["/metrics", "/_packshot/blobs/", "/_packshot/secret.key"])
def test_what_is_for_inside_is_not_there(front: Front, path: str) -> None:
    assert front.client.get(path).status_code == 404


# One is not


READS = ["/upload/iblock/{}/none/x.png", "/i/{}/card", "/rest/download.json?token={}"]
NAMES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(32)]
"""So many, and so unlike, that some of them belong to each of the nodes."""


def test_nobody_notices_a_node_that_is_gone(shop: Shop, tmp_path: Path) -> None:
    nodes = [f"127.0.0.1:{free_port()}", shop.addresses[1]]
    paths = [READS[0].format(name) for name in NAMES]

    with nginx(tmp_path / "nginx", shop.data, nodes, _never_give_up) as front:
        called = [front.client.post(f"{shop.hook}catalog.catalog.list").status_code for _ in range(8)]
        seen = [front.client.get(path).status_code for path in [*paths, *shop.paths.values()]]
        tried = " ".join(front.lines(42))

    assert called == [200] * 8
    assert seen == [404] * 32 + [200] * 2
    assert f"{nodes[0]}, {nodes[1]} 502, 200" in tried  # else nobody was sent there


CALLS = {
    "POST": "{hook}catalog.product.add",
    "GET": "{hook}catalog.product.add?fields[iblockId]=1&fields[name]=twice",
    "PUT": "/v3/update_virtual_inventory",
    "DELETE": "/v3/delete_images",
    "POST of a file": "/packshot/v3/upload",
    "PUT of a file": "/packshot/v3/images/7c5c9470-cf14-4ba0-89ff-97197c6989c2",
}


@pytest.mark.parametrize("call", CALLS)
def test_no_call_that_was_sent_to_a_dying_node_is_sent_again(shop: Shop, tmp_path: Path, call: str) -> None:
    method = call.partition(" ")[0]
    path = CALLS[call].replace("{hook}", shop.hook)
    content = None if method == "GET" else b"{}"

    with _dying_node() as (address, heard), _before(shop, tmp_path, address) as front:
        statuses = [front.client.request(method, path, content=content).status_code for _ in range(8)]

    assert 0 < len(heard) < 8
    assert statuses.count(502) == len(heard)


@pytest.mark.parametrize("path", READS)
def test_what_only_reads_is_asked_again_elsewhere(shop: Shop, tmp_path: Path, path: str) -> None:
    with _dying_node() as (address, heard), _before(shop, tmp_path, address) as front:
        statuses = {front.client.get(path.format(name)).status_code for name in NAMES}

    assert heard
    assert not {status for status in statuses if status >= 500}


def _never_give_up(configuration: str) -> str:
    """Every request has its chance to meet the node that is wrong."""
    changed, count = re.subn("max_fails=1", "max_fails=0", configuration)
    assert count == 4
    return changed


@contextmanager
def _before(shop: Shop, tmp_path: Path, address: str) -> Iterator[Front]:
    with nginx(tmp_path / "nginx", shop.data, [address, shop.addresses[1]], _never_give_up) as front:
        yield front


@contextmanager
def _dying_node() -> Iterator[tuple[str, list[bytes]]]:
    """The address of what takes a request and goes without an answer, and what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_until_closed, args=(listener, heard))
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            thread.join(15)


def _until_closed(listener: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            heard.append(connection.recv(65536))
