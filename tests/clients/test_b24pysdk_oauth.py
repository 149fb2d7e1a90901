"""OAuth in the vendor's Python SDK. It renews tokens at a host of its own, which a proxy leads to our server here.

The SDK stays as it comes: the proxy is a variable of the environment, and the shop has a certificate for the name.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from b24pysdk import BitrixApp, BitrixToken, Client  # type: ignore[import-untyped]
from b24pysdk import errors as sdk_errors
from b24pysdk.errors import oauth as oauth_errors  # type: ignore[import-untyped]

from serving import Server

Grant = Callable[..., dict[str, Any]]


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def tunnel(client: socket.socket, port: int) -> None:
    """Answer one CONNECT, to wherever, by leading it to that port of this machine."""
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(server, client))
        back.start()
        pump(client, server)
        back.join()


@pytest.fixture(autouse=True)
def led_here(shop: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lead every name but 127.0.0.1 to the shop."""
    port = urlsplit(shop.base_url).port or 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnels: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    tunnels.append(threading.Thread(target=tunnel, args=(listener.accept()[0], port)))
                    tunnels[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", shop.facts["authority"])
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield
        listener.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *tunnels):
            thread.join()


def app_of(held: dict[str, Any]) -> Any:
    return BitrixApp(client_id=held["client_id"], client_secret=held["client_secret"])


def token_of(shop: Server, held: dict[str, Any], **changed: Any) -> Any:
    values = {
        "domain": urlsplit(shop.base_url).netloc,
        "auth_token": held["access_token"],
        "refresh_token": held["refresh_token"],
        "bitrix_app": app_of(held),
    }
    return BitrixToken(**{**values, **changed})


def test_a_token_calls_methods_and_says_whose_it_is(shop: Server, grant: Grant) -> None:
    held = grant()
    client = Client(token_of(shop, held))

    fields = client.catalog.product_image.get_fields().result
    info = client.app.info().result

    assert "downloadUrl" in fields["productImage"]
    assert info["CODE"] == held["client_id"]
    assert client.profile().result["ADMIN"] is True


def test_a_code_is_exchanged_for_tokens_that_fit_the_application(shop: Server, grant: Grant) -> None:
    held = grant()

    renewed = app_of(held).get_oauth_token(held["code"])

    info = app_of(held).get_app_info(renewed.oauth_token.access_token).result
    assert renewed.validate_against_app_info(info) is True
    assert renewed.user_id == shop.facts["user_id"]
    assert renewed.oauth_token.expires > datetime.now(UTC)
    assert info.client_id == held["client_id"]


def test_an_expired_token_is_renewed_once_the_server_says_so(shop: Server, grant: Grant) -> None:
    held = grant(7200)
    token = token_of(shop, held)

    fields = Client(token).catalog.product_image.get_fields().result

    assert "downloadUrl" in fields["productImage"]
    assert token.auth_token != held["access_token"]
    assert token.refresh_token != held["refresh_token"]
    assert token.has_expired is False


def test_a_token_known_to_be_expired_is_renewed_before_the_call(shop: Server, grant: Grant) -> None:
    held = grant()
    token = token_of(shop, held, expires=datetime(2020, 1, 1, tzinfo=UTC), expires_in=3600)

    images = list(Client(token).catalog.product_image.list(shop.facts["with_images"][120]).as_list_fast().result)

    assert len(images) == 120
    assert token.auth_token != held["access_token"]


def test_an_expired_token_without_one_to_renew_it_is_an_error(shop: Server, grant: Grant) -> None:
    token = token_of(shop, grant(7200), refresh_token=None)

    with pytest.raises(sdk_errors.BitrixAPIExpiredToken) as caught:
        Client(token).catalog.product_image.get_fields().call()

    assert caught.value.status_code == 401


def test_a_token_nobody_issued_is_an_error(shop: Server, grant: Grant) -> None:
    token = token_of(shop, grant(), auth_token="a" * 40)

    with pytest.raises(sdk_errors.BitrixAPIInvalidToken):
        Client(token).catalog.product_image.get_fields().call()


def test_a_refresh_token_nobody_issued_is_an_invalid_grant(grant: Grant) -> None:
    with pytest.raises(oauth_errors.BitrixOAuthInvalidGrant):
        app_of(grant()).refresh_oauth_token("a" * 40)


def test_a_wrong_secret_is_an_invalid_client(grant: Grant) -> None:
    held = grant()

    with pytest.raises(oauth_errors.BitrixOAuthInvalidClient):
        app_of({**held, "client_secret": "wrong"}).refresh_oauth_token(held["refresh_token"])


def test_a_missing_token_is_an_invalid_request(grant: Grant) -> None:
    with pytest.raises(oauth_errors.BitrixOAuthInvalidRequest, match="refresh_token"):
        app_of(grant()).refresh_oauth_token("")
