"""OAuth in the vendor's JavaScript SDK: which is told our server's address, and renews its tokens there."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving import Server

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

Node = Callable[..., Any]
Grant = Callable[..., dict[str, Any]]


def held_by_the_sdk(shop: Server, held: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """What the SDK wants to know about tokens, and about the application they were given to."""
    tokens = {
        "applicationToken": "",
        "userId": held["user_id"],
        "memberId": held["member_id"],
        "accessToken": held["access_token"],
        "refreshToken": held["refresh_token"],
        "expires": held["expires"],
        "expiresIn": 3600,
        "scope": "catalog,user",
        "domain": urlsplit(shop.base_url).netloc,
        "clientEndpoint": f"{shop.base_url}/rest/",
        "serverEndpoint": f"{shop.base_url}/rest/",
        "status": "L",
    }
    application = {"clientId": held["client_id"], "clientSecret": held["client_secret"]}
    return {"tokens": {**tokens, **changed}, "application": application}


def test_a_good_token_is_kept(node: Node, shop: Server, grant: Grant) -> None:
    held = grant()

    answer = node("oauth", **held_by_the_sdk(shop, held))

    assert answer["renewed"] == []
    assert answer["isAdmin"] is True
    assert answer["info"]["CODE"] == held["client_id"]


def test_a_token_known_to_be_expired_is_renewed_before_the_call(node: Node, shop: Server, grant: Grant) -> None:
    held = grant(7200)

    answer = node("oauth", **held_by_the_sdk(shop, held))

    (renewed,) = answer["renewed"]
    assert answer["info"]["CODE"] == held["client_id"]
    assert renewed["accessToken"] not in {"", held["access_token"]}
    assert renewed["refreshToken"] not in {"", held["refresh_token"]}
    assert renewed["expires"] > time.time()
    assert renewed["expiresIn"] == 3600
    assert renewed["scope"] == "catalog,user"
    assert renewed["status"] == "L"
    assert renewed["clientEndpoint"] == renewed["serverEndpoint"] == f"{shop.base_url}/rest/"


@pytest.mark.parametrize("token", ["expired", "unknown"])
def test_a_token_the_server_refuses_is_renewed_and_the_call_repeated(
    node: Node, shop: Server, grant: Grant, token: str
) -> None:
    held = grant(7200)
    access = held["access_token"] if token == "expired" else "a" * 40

    answer = node("oauth", **held_by_the_sdk(shop, held, expires=int(time.time()) + 3600, accessToken=access))

    assert len(answer["renewed"]) == 1
    assert answer["isAdmin"] is True


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [({"refresh_token": "a" * 40}, 400, "invalid_grant"), ({"client_secret": "no"}, 401, "invalid_client")],
)
def test_what_cannot_be_renewed_is_an_error_with_the_servers_code(
    node: Node, shop: Server, grant: Grant, changed: dict[str, str], status: int, code: str
) -> None:
    held = {**grant(7200), **changed}

    answer = node("oauth", **held_by_the_sdk(shop, held), refresh=True)

    assert answer["renewed"] == []
    assert (answer["thrown"]["status"], answer["thrown"]["code"]) == (status, code)
