"""How the vendor's Python SDK walks lists: by pages, by the last id through a batch, and by ids."""

from collections.abc import Callable
from typing import Any

import pytest

from serving import Server

SIZES = (0, 1, 50, 51, 120)


def images_of(client: Any, server: Server, size: int) -> Any:
    return client.catalog.product_image.list(server.facts["with_images"][size], select=["id", "name"])


def products_named(client: Any, size: int) -> Any:
    return client.catalog.product.list(["id", "iblockId"], {"iblockId": 1, "name": f"One of {size}"})


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_images_are_all_walked(pysdk: Callable[..., Any], shop: Server, size: int) -> None:
    found = list(images_of(pysdk(), shop, size).as_list().result)

    assert [image["name"] for image in found] == [f"{number:03}.png" for number in range(size)]


@pytest.mark.parametrize("size", SIZES)
def test_images_are_walked_by_their_last_id(pysdk: Callable[..., Any], shop: Server, size: int) -> None:
    found = list(images_of(pysdk(), shop, size).as_list_fast().result)

    assert [image["name"] for image in found] == [f"{number:03}.png" for number in range(size)]


@pytest.mark.parametrize("size", SIZES)
def test_images_are_walked_backwards(pysdk: Callable[..., Any], shop: Server, size: int) -> None:
    found = list(images_of(pysdk(), shop, size).as_list_fast(descending=True).result)

    assert [image["name"] for image in found] == [f"{number:03}.png" for number in reversed(range(size))]


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_products_are_all_walked(pysdk: Callable[..., Any], shop: Server, size: int) -> None:
    found = list(products_named(pysdk(), size).as_list().result)

    assert [product["id"] for product in found] == shop.facts["named"][size]


@pytest.mark.parametrize("size", SIZES)
def test_products_are_walked_by_their_last_id(pysdk: Callable[..., Any], shop: Server, size: int) -> None:
    found = list(products_named(pysdk(), size).as_list_fast().result)

    assert [product["id"] for product in found] == shop.facts["named"][size]


@pytest.mark.parametrize("walker", ["as_list", "as_list_fast"])
def test_a_walk_ends_where_it_is_told_to(pysdk: Callable[..., Any], shop: Server, walker: str) -> None:
    walk = getattr(images_of(pysdk(), shop, 120), walker)

    found = list(walk(limit=70).result)

    assert [image["name"] for image in found] == [f"{number:03}.png" for number in range(70)]


@pytest.mark.parametrize("field", ["id", "@id"])
@pytest.mark.parametrize("walker", ["as_list", "as_list_fast"])
def test_products_are_fetched_by_their_ids(pysdk: Callable[..., Any], shop: Server, walker: str, field: str) -> None:
    wanted = shop.facts["named"][120]
    request = pysdk().catalog.product.list(["id", "iblockId"], {"iblockId": 1, field: wanted})

    found = list(getattr(request, walker)().result)

    assert [product["id"] for product in found] == wanted


def test_ids_alone_are_sent_in_batches(pysdk: Callable[..., Any]) -> None:
    request = pysdk().catalog.catalog.list(filter={"@id": [*range(1, 61)]})

    paged, fast = list(request.as_list().result), list(request.as_list_fast().result)

    assert [catalog["id"] for catalog in paged] == [1, 2]
    assert fast == paged
