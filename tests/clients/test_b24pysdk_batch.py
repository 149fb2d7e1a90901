"""Batches of the vendor's Python SDK: keys, failures, references between commands, uploads."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pictures import jpeg, png
from serving import Server

Pysdk = Callable[..., Any]
ABSENT = 999_999


def getting(client: Any, server: Server, count: int, *failing: int) -> list[Any]:
    """So many requests for an image; those at the places in *failing* ask for one that is not there."""
    product_id = server.facts["with_images"][1]
    (image,) = client.catalog.product_image.list(product_id).result["productImages"]
    return [
        client.catalog.product_image.get(product_id, ABSENT if place in failing else image["id"])
        for place in range(count)
    ]


def test_fifty_commands_are_answered_in_order(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()
    products = [client.catalog.product.get(number) for number in shop.facts["named"][50]]

    answer = client.call_batch(products).response

    assert [found["product"]["id"] for found in answer.result.result] == shop.facts["named"][50]
    assert answer.result.result_error == []
    assert len(answer.result.result_time) == 50


def test_the_first_command_may_fail_alone(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()

    answer = client.call_batch(getting(client, shop, 50, 0)).response.result

    assert list(answer.result) == [str(place) for place in range(1, 50)]
    assert answer.result_error == [{"error": "0", "error_description": "Image with the specified identifier not found"}]


def test_the_last_command_may_fail_alone(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()

    answer = client.call_batch(getting(client, shop, 50, 49)).response.result

    assert len(answer.result) == 49
    assert isinstance(answer.result, list)
    assert list(answer.result_error) == ["49"]


def test_nothing_runs_after_a_failure_where_that_is_asked(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()
    named = dict(zip("abc", getting(client, shop, 3, 1), strict=True))

    answer = client.call_batch(named, halt=True).response.result

    assert list(answer.result) == ["a"]
    assert list(answer.result_error) == ["b"]


def test_more_than_fifty_requests_are_spread_over_batches(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()

    answer = client.call_batches(getting(client, shop, 60, 0, 59)).response.result

    assert len(answer.result) == 58
    assert len(answer.result_error) == 2


def test_every_section_is_there_for_lists(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()
    lists = {
        f"of {size}": client.catalog.product_image.list(product_id, select=["id"])
        for size, product_id in shop.facts["with_images"].items()
    }

    answer = client.call_batch(lists).response.result

    assert answer.result_total == {f"of {size}": size for size in shop.facts["with_images"]}
    assert answer.result_next == {"of 51": 50, "of 120": 50}


def test_pages_follow_each_other_within_one_batch(pysdk: Pysdk, shop: Server) -> None:
    params = {"productId": shop.facts["with_images"][120], "select": ["id"], "order": {"id": "ASC"}, "start": -1}
    pages = {"1": ("catalog.productImage.list", params)} | {
        str(place): (
            "catalog.productImage.list",
            {**params, "filter": {">id": f"$result[{place - 1}][productImages][49][id]"}},
        )
        for place in (2, 3)
    }

    answer = pysdk().get_token().call_batch(pages)["result"]

    found = [image["id"] for page in answer["result"].values() for image in page["productImages"]]
    assert len(set(found)) == len(found) == 120
    assert answer["result_total"] == []


def test_a_product_gets_its_picture_in_the_same_batch(pysdk: Pysdk) -> None:
    picture = jpeg(30, 20)
    token = pysdk().get_token()

    answer = token.call_batch(
        {
            "product": ("catalog.product.add", {"fields": {"iblockId": 1, "name": "Shirt & tie + 50%"}}),
            "image": (
                "catalog.productImage.add",
                {
                    "fields": {"productId": "$result[product][element][id]", "type": "DETAIL_PICTURE"},
                    "fileContent": ["tie.jpg", b64encode(picture).decode()],
                },
            ),
            "again": (
                "catalog.productImage.get",
                {"productId": "$result[product][element][id]", "id": "$result[image][productImage][id]"},
            ),
        },
        halt=True,
    )

    result = answer["result"]["result"]
    assert answer["result"]["result_error"] == []
    assert result["product"]["element"]["name"] == "Shirt & tie + 50%"
    assert result["again"]["productImage"]["productId"] == result["product"]["element"]["id"]
    assert requests.get(result["again"]["productImage"]["downloadUrl"], timeout=20).content == picture


@pytest.mark.parametrize("keyed", [True, False])
def test_fifty_pictures_are_uploaded_in_one_batch(pysdk: Pysdk, *, keyed: bool) -> None:
    client = pysdk()
    product_id = client.catalog.product.add({"iblockId": 1, "name": "Many"}).result["element"]["id"]
    pictures = {f"{width}.png": png(width, 5) for width in range(1, 51)}
    uploads = {
        name: client.catalog.product_image.add({"productId": product_id}, [name, b64encode(data).decode()])
        for name, data in pictures.items()
    }

    client.call_batch(uploads if keyed else list(uploads.values())).call()

    found = client.catalog.product_image.list(product_id).as_list().result
    assert {image["name"]: requests.get(image["downloadUrl"], timeout=20).content for image in found} == pictures


def test_a_refused_upload_leaves_the_others_alone(pysdk: Pysdk) -> None:
    client = pysdk()
    product_id = client.catalog.product.add({"iblockId": 1, "name": "Some"}).result["element"]["id"]
    contents = [png(5, 5), b"no picture", png(6, 6)]
    uploads = [
        client.catalog.product_image.add({"productId": product_id}, [f"{place}.png", b64encode(content).decode()])
        for place, content in enumerate(contents)
    ]

    answer = client.call_batch(uploads).response.result

    assert list(answer.result) == ["0", "2"]
    assert answer.result_error["1"]["error"] == "0"
    assert answer.result_error["1"]["error_description"].startswith("Invalid file type")
    assert client.catalog.product_image.list(product_id).response.total == 2


def test_a_batch_within_a_batch_is_refused(pysdk: Pysdk) -> None:
    answer = pysdk().get_token().call_batch({"inner": ("batch", {"cmd": {"a": "server.time"}})})

    assert answer["result"]["result_error"]["inner"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"
