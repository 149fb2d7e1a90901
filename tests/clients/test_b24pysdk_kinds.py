"""Parent products, variations and services, and pictures as fields of products, in the vendor's Python SDK."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pictures import jpeg, png
from serving import Server

Pysdk = Callable[..., Any]


def named(catalog_id: int, name: str, **more: Any) -> dict[str, Any]:
    return {"iblockId": catalog_id, "name": name, **more}


def file_content(data: bytes, name: str) -> list[str]:
    return [name, b64encode(data).decode()]


@pytest.mark.parametrize(
    ("kind", "key", "catalog_id"), [("sku", "sku", 1), ("offer", "offer", 2), ("service", "service", 1)]
)
def test_every_kind_of_product_has_images(pysdk: Pysdk, kind: str, key: str, catalog_id: int) -> None:
    client = pysdk()
    methods = getattr(client.catalog.product, kind)

    product_id = methods.add(named(catalog_id, "Has one")).result[key]["id"]
    image = client.catalog.product_image.add({"productId": product_id}, file_content(png(), "a.png")).result

    assert image["productImage"]["productId"] == product_id
    assert methods.get(product_id).result[key]["name"] == "Has one"
    assert methods.delete(product_id).result is True


@pytest.mark.parametrize(
    ("kind", "catalog_id"),
    [("sku", 1), ("offer", 2), ("service", 1)],
)
def test_every_kind_of_product_is_walked(pysdk: Pysdk, kind: str, catalog_id: int) -> None:
    client = pysdk()
    methods = getattr(client.catalog.product, kind)
    name = f"Walked {kind}"
    client.call_batches([methods.add(named(catalog_id, name)) for _ in range(51)]).call()
    listed = methods.list(["id", "iblockId"], named(catalog_id, name))

    paged, fast = list(listed.as_list().result), list(listed.as_list_fast().result)

    assert len({product["id"] for product in paged}) == 51
    assert fast == paged


def test_a_variation_gets_parent_and_picture_in_one_batch(pysdk: Pysdk) -> None:
    answer = (
        pysdk()
        .get_token()
        .call_batch(
            {
                "parent": ("catalog.product.sku.add", {"fields": named(1, "Shirt")}),
                "variation": (
                    "catalog.product.offer.add",
                    {"fields": named(2, "Shirt, blue", parentId="$result[parent][sku][id]")},
                ),
                "image": (
                    "catalog.productImage.add",
                    {
                        "fields": {"productId": "$result[variation][offer][id]"},
                        "fileContent": file_content(png(), "a.png"),
                    },
                ),
            },
            halt=True,
        )
    )

    result = answer["result"]["result"]
    assert answer["result"]["result_error"] == []
    assert result["variation"]["offer"]["parentId"]["value"] == str(result["parent"]["sku"]["id"])
    assert result["image"]["productImage"]["productId"] == result["variation"]["offer"]["id"]


def test_a_picture_that_is_a_field_is_an_image_of_the_product(pysdk: Pysdk) -> None:
    client, picture = pysdk(), jpeg(30, 20)
    fields = named(1, "Shirt", detailPicture={"fileData": file_content(picture, "shirt.jpg")})

    product = client.catalog.product.add(fields).result["element"]
    (image,) = client.catalog.product_image.list(product["id"]).result["productImages"]
    client.catalog.product.update(product["id"], {"detailPicture": {"remove": "Y"}}).call()

    assert (image["type"], str(image["id"])) == ("DETAIL_PICTURE", product["detailPicture"]["id"])
    assert client.catalog.product.get(product["id"]).result["product"]["detailPicture"] is None
    assert client.catalog.product_image.list(product["id"]).result["productImages"] == []
    assert requests.get(image["downloadUrl"], timeout=20).status_code == 404


def test_the_address_of_a_picture_field_is_called_with_the_webhook(pysdk: Pysdk, shop: Server) -> None:
    picture = jpeg(30, 20)
    fields = named(1, "Shirt", previewPicture={"fileData": file_content(picture, "shirt.jpg")})
    product = pysdk().catalog.product.add(fields).result["element"]

    method = product["previewPicture"]["urlMachine"].removeprefix("/rest/")
    answer = requests.get(shop.webhook_url + method, timeout=20)

    assert answer.content == picture
