"""No secret reaches the log, whichever way a client gets an address wrong."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from build import file_content
from pictures import png
from serving import Server, dial, serving

DEBUG = {"PACKSHOT_LOG_LEVEL": "debug"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("data"), environment=DEBUG) as running:
        yield running


def line_about(server: Server, request_id: str) -> str:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in server.printed().splitlines():
            if request_id in line:
                return line
        time.sleep(0.02)
    raise AssertionError(f"{request_id} is not in\n{server.printed()}")


@pytest.mark.parametrize(
    "path",
    [
        "/rest/1/CODE/catalog.catalog.list",
        "/rest/1/CODE/catalog.catalog.list.json/",
        "//rest//1//CODE//catalog.catalog.list",
        "/rest/1/CODE/no.such.method",
        "/rest/1/CODE/no/such/method",
        "/rest/1/CODE",
        "/rest/1/CODE/",
        "/rest/2/CODE/catalog.catalog.list",
        "/rest/CODE/catalog.catalog.list",
        "/rest/CODE",
        "/rest/one/CODE/catalog.catalog.list",
        "/rest/api/1/CODE/catalog.catalog.list",
        "/REST/1/CODE/catalog.catalog.list",
        "/1/CODE/catalog.catalog.list",
        "/bitrix/rest/1/CODE/catalog.catalog.list",
        "/rest/catalog.catalog.list?auth=CODE",
        "/rest/no.such.method?auth=CODE&access_token=CODE",
        "/rest/download.json?token=CODE",
    ],
)
def test_a_code_in_any_place_of_an_address_is_not_logged(server: Server, path: str) -> None:
    code = server.facts["webhook_code"]
    answer = httpx.get(f"{server.base_url}{path.replace('CODE', code)}")

    line = line_about(server, answer.headers["x-request-id"])

    assert code not in line


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_in_anything_that_a_server_prints(tmp_path: Path, form: str) -> None:
    with serving(tmp_path / "data", environment={**DEBUG, "PACKSHOT_LOG_FORMAT": form}) as server:
        secrets = [server.facts["webhook_code"], "c0ffee" * 5, use_everything(server)]
        break_something(tmp_path / "data", server)
        httpx.get(f"{server.base_url}/healthz", headers={"x-request-id": "the-last-one"})
        line_about(server, "the-last-one")

        printed = server.printed()

    assert "Traceback" in printed
    assert "no such table" in printed
    assert [secret for secret in secrets if secret in printed] == []
    assert "***" in printed


def use_everything(server: Server) -> str:
    """Calls of every kind, some with a code nobody issued; returns the token of a download link."""
    base, hook, strange = server.base_url, server.webhook_url, "c0ffee" * 5
    product = httpx.post(f"{hook}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}}).json()
    picture = {"fields": {"productId": product["result"]["element"]["id"]}, "fileContent": file_content(png())}
    image = httpx.post(f"{hook}catalog.productImage.add", json=picture).json()["result"]["productImage"]
    assert httpx.get(image["downloadUrl"]).content == png()
    httpx.get(image["downloadUrl"][:-8] + "AAAAAAAA")
    httpx.post(f"{base}/rest/1/{strange}/catalog.catalog.list", json={"auth": strange})
    httpx.post(f"{base}/rest/catalog.catalog.list", data={"auth": strange, "token": strange})
    httpx.post(f"{base}/rest/catalog.catalog.list", content=b'{"auth": "%s' % strange.encode())
    httpx.get(f"{base}/rest/1/{strange}/no.such.method", headers={"Authorization": f"Bearer {strange}"})
    with dial(server) as connection:
        connection.sendall(f"GET /rest/1/{strange}/x HTTP/9.9 {strange}\r\n\r\n".encode())
        connection.recv(1000)
    return unquote(image["downloadUrl"].partition("token=")[2]).rpartition("|")[2]


def break_something(folder: Path, server: Server) -> None:
    """Make a call fail in a way nobody foresaw."""
    connection = sqlite3.connect(folder / "packshot.sqlite3")
    connection.execute("ALTER TABLE product RENAME TO product_gone")
    connection.close()
    answer = httpx.post(f"{server.webhook_url}catalog.product.get", json={"id": 1})
    assert answer.status_code == 500
    assert answer.json() == {"error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error"}
