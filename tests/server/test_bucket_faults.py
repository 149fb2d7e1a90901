"""A real server whose bucket is cut, slow or refuses: 503 with Retry-After meanwhile, and at work again by itself."""

import hashlib
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

import bucket
import pictures
from faultproxy import BROKEN, CUT_BEFORE, GARBLED, Fault, HttpProxy, only
from forking import run
from serving import Server, serving

GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
SHIRT, LARGE = pictures.jpeg_of_size(40_000), pictures.jpeg_of_size(9_000_000)
PATIENCE_S = 60


@pytest.fixture(scope="module")
def proxy() -> Iterator[HttpProxy]:
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, proxy: HttpProxy) -> Iterator[Server]:
    environment = {"PACKSHOT_BLOBS_URL": bucket.new(), "AWS_ENDPOINT_URL": proxy.url}
    with serving(tmp_path_factory.mktemp("faults") / "data", environment=environment) as server:
        yield server


@pytest.fixture(autouse=True)
def weather(proxy: HttpProxy) -> Iterator[None]:
    yield
    proxy.have()
    proxy.accept()


def post(server: Server, method: str, **params: Any) -> httpx.Response:
    return httpx.post(f"{server.webhook_url}{method}", json=params, timeout=PATIENCE_S)


def add(server: Server, data: bytes) -> httpx.Response:
    product = post(server, "catalog.product.add", fields={"iblockId": 1, "name": "Shirt"}).json()["result"]["element"]
    content = ["shirt.jpg", b64encode(data).decode()]
    return post(server, "catalog.productImage.add", fields={"productId": product["id"]}, fileContent=content)


def upload(server: Server, data: bytes) -> httpx.Response:
    keys = {name: str(server.facts[name]) for name in ("web_api_key", "app_key")}
    address = f"{server.base_url}/packshot/v3/images/{GUID}"
    return httpx.put(address, headers=keys, content=data, timeout=PATIENCE_S)


def get(server: Server, address: str) -> httpx.Response:
    return httpx.get(urljoin(server.base_url, address), timeout=PATIENCE_S)


def added(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    image: dict[str, str] = answer.json()["result"]["productImage"]
    return image


WEATHER = {
    "refused": None,
    "cut": CUT_BEFORE,
    "broken": BROKEN,
    "credentials": Fault("none", 403, code="InvalidAccessKeyId"),
    "no bucket": Fault("none", 404, code="NoSuchBucket"),
}


@pytest.mark.parametrize("name", WEATHER)
def test_without_its_bucket_a_server_says_503_and_when_to_come_again_and_is_well_once_it_is_back(
    server: Server, proxy: HttpProxy, name: str
) -> None:
    fault, picture = WEATHER[name], pictures.jpeg_of_size(30_000 + len(name))
    image = added(add(server, SHIRT))
    large = upload(server, LARGE).json()["images"][0]["private_hires_uri"]

    if fault:
        proxy.have(fault)
    else:
        proxy.refuse()
    refused = [add(server, picture), get(server, image["downloadUrl"]), get(server, image["detailUrl"])]
    refused += [get(server, large), upload(server, LARGE + b"\0")]
    goes_on = post(server, "catalog.product.list", select=["id", "iblockId"], filter={"iblockId": 1})
    proxy.have()
    proxy.accept()

    assert [answer.status_code for answer in refused] == [503] * 5
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert goes_on.status_code == 200
    added(add(server, picture))
    assert get(server, image["downloadUrl"]).content == SHIRT
    assert hashlib.sha256(get(server, large).content).digest() == hashlib.sha256(LARGE).digest()


def test_a_slow_bucket_makes_requests_slow_and_nothing_else(server: Server, proxy: HttpProxy) -> None:
    proxy.have(only(Fault(wait_s=0.3, bytes_s=20_000_000), "PUT|POST|GET|HEAD"))

    began = time.monotonic()
    image = added(add(server, SHIRT))
    shown = get(server, image["detailUrl"])
    took_s = time.monotonic() - began

    assert shown.content == SHIRT
    assert took_s >= 0.6


def test_what_breaks_off_in_the_middle_of_a_download_is_fetched_and_sent_to_its_end(
    server: Server, proxy: HttpProxy
) -> None:
    large = upload(server, LARGE).json()["images"][0]["private_hires_uri"]
    proxy.have(only(Fault("whole", "half"), "GET", times=2))

    assert hashlib.sha256(get(server, large).content).digest() == hashlib.sha256(LARGE).digest()


def test_what_is_garbled_on_its_way_is_refused(server: Server, proxy: HttpProxy) -> None:
    proxy.have(only(GARBLED, "PUT"))

    assert add(server, pictures.jpeg_of_size(33_333)).status_code == 503


def test_the_log_says_why(server: Server, proxy: HttpProxy) -> None:
    proxy.have(Fault("none", 403, code="RequestTimeTooSkewed"))

    add(server, pictures.jpeg_of_size(34_567))

    assert "the clock of this machine is wrong" in server.printed()
    assert "Traceback" not in server.printed()


def test_a_folder_that_is_not_mounted_is_a_sentence(tmp_path: Path) -> None:
    done = run("init", "--data", tmp_path / "data", environment={"PACKSHOT_BLOBS_URL": f"file://{tmp_path}/shared"})

    assert done.returncode == 2
    assert "shared has no folder blobs: is it mounted?" in done.stderr
