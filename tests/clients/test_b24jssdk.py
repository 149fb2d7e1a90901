"""The vendor's JavaScript SDK, as it comes, in Node and over HTTPS: the scripts in `node` drive it."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pictures import jpeg, png
from serving import Server, serving

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

Node = Callable[..., Any]
SIZES = (0, 1, 50, 51, 120)
ABSENT = 999_999


def getting(server: Server, count: int, *failing: int) -> list[dict[str, Any]]:
    """So many commands for a product; those at the places in *failing* ask for one that is not there."""
    product_id = server.facts["with_images"][0]
    return [
        {"method": "catalog.product.get", "params": {"id": ABSENT if place in failing else product_id}}
        for place in range(count)
    ]


def upload(product_id: int | str, data: bytes, name: str = "shirt.png") -> dict[str, Any]:
    params = {"fields": {"productId": product_id}, "fileContent": [name, b64encode(data).decode()]}
    return {"method": "catalog.productImage.add", "params": params}


def download(server: Server, url: str) -> bytes:
    return requests.get(url, timeout=20, verify=server.facts["authority"]).content


@pytest.mark.parametrize("cursor", ["id", "ID"])
def test_lists_of_images_are_walked_in_each_way(node: Node, shop: Server, cursor: str) -> None:
    lists = [{"productId": product_id, "select": ["id"]} for product_id in shop.facts["with_images"].values()]

    walked = node("walk", method="catalog.productImage.list", key="productImages", cursor=cursor, lists=lists)

    assert [walk["pages"]["total"] for walk in walked] == list(SIZES)
    assert [len(set(walk["pages"]["found"])) for walk in walked] == list(SIZES)
    for walk in walked:
        assert walk["callList"] == walk["fetchList"] == walk["pages"]["found"] == sorted(walk["callList"])


@pytest.mark.parametrize("cursor", ["id", "ID"])
def test_lists_of_products_are_walked_in_each_way(node: Node, shop: Server, cursor: str) -> None:
    lists = [
        {"select": ["id", "iblockId"], "filter": {"iblockId": 1, "name": f"One of {size}"}}
        for size in shop.facts["named"]
    ]

    walked = node("walk", method="catalog.product.list", key="products", cursor=cursor, lists=lists)

    for walk, wanted in zip(walked, shop.facts["named"].values(), strict=True):
        assert walk["callList"] == walk["fetchList"] == wanted
        assert walk["pages"] == {"total": len(wanted), "found": wanted}


@pytest.mark.parametrize("halt", [True, False])
def test_fifty_commands_are_answered_in_order(node: Node, shop: Server, *, halt: bool) -> None:
    calls = [{"method": "catalog.product.get", "params": {"id": number}} for number in shop.facts["named"][50]]

    answer = node("batch", calls=calls, halt=halt)

    assert answer["errors"] == {}
    assert [found["product"]["id"] for found in answer["result"]] == shop.facts["named"][50]


@pytest.mark.parametrize("place", [0, 49])
def test_one_failure_among_fifty_is_named_by_its_place(node: Node, shop: Server, place: int) -> None:
    answer = node("batch", calls=getting(shop, 50, place), halt=False)

    assert len(answer["result"]) == 49
    (error,) = answer["errors"].items()
    assert error[0] == str(place)
    assert error[1]["name"] == "AjaxError"
    assert error[1]["message"] == "Product with the specified identifier not found"


def test_all_fifty_may_fail(node: Node, shop: Server) -> None:
    answer = node("batch", calls=getting(shop, 50, *range(50)), halt=False)

    assert answer["result"] == []
    assert list(answer["errors"]) == [str(place) for place in range(50)]


def test_named_commands_keep_their_names(node: Node, shop: Server) -> None:
    calls = dict(zip("abc", getting(shop, 3, 1), strict=True))

    together, halted = node("batch", calls=calls, halt=False), node("batch", calls=calls, halt=True)

    assert list(together["result"]) == ["a", "c"]
    assert list(together["errors"]) == ["b"]
    assert list(halted["result"]) == ["a"]
    assert list(halted["errors"]) == ["b"]


def test_more_than_fifty_commands_are_cut_into_batches(node: Node, shop: Server) -> None:
    answer = node("batch", calls=getting(shop, 120, 60), halt=False, chunks=True)

    assert len(answer["result"]) == 119
    assert list(answer["errors"]) == ["10"]


def test_a_product_gets_its_picture_in_the_same_batch(node: Node, shop: Server) -> None:
    picture, product = jpeg(30, 20), "$result[product][element][id]"
    calls = {
        "product": {
            "method": "catalog.product.add",
            "params": {"fields": {"iblockId": 1, "name": "Shirt & tie + 50%"}},
        },
        "image": upload(product, picture, "tie.jpg"),
        "again": {
            "method": "catalog.productImage.get",
            "params": {"productId": product, "id": "$result[image][productImage][id]"},
        },
    }

    answer = node("batch", calls=calls, halt=True)

    assert answer["errors"] == {}
    result = answer["result"]
    assert result["product"]["element"]["name"] == "Shirt & tie + 50%"
    assert result["again"]["productImage"]["productId"] == result["product"]["element"]["id"]
    assert download(shop, result["again"]["productImage"]["downloadUrl"]) == picture


def test_fifty_pictures_are_uploaded_in_one_batch(node: Node, shop: Server) -> None:
    pictures = {f"{width}.png": png(width, 5) for width in range(1, 51)}
    add = {"method": "catalog.product.add", "params": {"fields": {"iblockId": 1, "name": "Many"}}}
    product_id = node("call", calls=[add])["answers"][0]["result"]["element"]["id"]

    answer = node("batch", calls=[upload(product_id, data, name) for name, data in pictures.items()], halt=False)

    images = [added["productImage"] for added in answer["result"]]
    assert {image["name"]: download(shop, image["downloadUrl"]) for image in images} == pictures


def test_a_batch_within_a_batch_is_refused(node: Node) -> None:
    answer = node("batch", calls=[{"method": "batch", "params": {"cmd": ["server.time"]}}], halt=False)

    assert answer["errors"]["0"]["code"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("method", "status", "code"),
    [
        ("catalog.productImage.paint", 404, "ERROR_METHOD_NOT_FOUND"),
        ("catalog.productImage.get", 400, "ERR_BAD_REQUEST"),  # all-digit codes are numbers, which it does not read
    ],
)
def test_a_failed_call_has_the_status_and_the_code(node: Node, method: str, status: int, code: str) -> None:
    answer = node("call", calls=[{"method": method, "params": {"productId": ABSENT, "id": 1}}])

    (failed,) = answer["answers"]
    assert failed["error"]["name"] == "AjaxError"
    assert (failed["error"]["status"], failed["error"]["code"]) == (status, code)
    assert answer["retries"] == 0


def test_a_wrong_webhook_is_named(node: Node, shop: Server) -> None:
    webhook = f"{shop.base_url}/rest/1/wrong/"

    answer = node("call", webhook=webhook, calls=[{"method": "catalog.productImage.getFields"}])

    error = answer["answers"][0]["error"]
    assert (error["status"], error["code"], error["message"]) == (401, "NO_AUTH_FOUND", "Wrong authorization data")
    assert answer["retries"] == 0


def test_a_missing_scope_is_named(node: Node, shop: Server, narrow: str) -> None:
    webhook = f"{shop.base_url}/rest/{narrow}/"

    answer = node("call", webhook=webhook, calls=[{"method": "catalog.productImage.getFields"}])

    error = answer["answers"][0]["error"]
    assert (error["status"], error["code"]) == (403, "insufficient_scope")
    assert "higher privileges" in error["message"]


def test_a_busy_server_is_asked_again(node: Node) -> None:
    answer = node("call", calls=[{"method": "catalog.catalog.getFields"}] * 2)  # one of them is refused first

    assert all("iblockId" in fields["result"]["catalog"] for fields in answer["answers"])
    assert answer["retries"] >= 1


def test_the_tools_of_the_sdk_find_the_server_well(node: Node, shop: Server) -> None:
    answer = node("tools")

    assert answer["ping"] >= 0
    assert answer["healthy"] is True
    assert answer["profile"]["ID"] == str(shop.facts["user_id"])
    assert answer["profile"]["ADMIN"] is True


def test_codes_as_text_are_read_with_what_is_behind_them(node: Node, tmp_path: Path) -> None:
    environment = {"PACKSHOT_BITRIX_ERROR_CODES": "string"}
    with serving(tmp_path / "data", "--tls-dev", environment=environment) as server:
        authority = str(tmp_path / "data" / "tls-dev" / "local" / "authority.pem")

        answer = node(
            "call",
            authority=authority,
            webhook=server.webhook_url,
            calls=[
                {"method": "catalog.productImage.get", "params": {"id": 1}},
                {"method": "catalog.productImage.get", "params": {"productId": ABSENT, "id": 1}},
            ],
        )

    missing, absent = (failed["error"] for failed in answer["answers"])
    assert (missing["code"], missing["message"]) == ("100", "Could not find value for parameter {productId}")
    assert absent["message"] == "Product with the specified identifier not found"
