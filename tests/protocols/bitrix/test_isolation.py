"""An account sees nothing of another one: what is theirs is answered exactly as what is nobody's."""

from typing import Any

import httpx
import pytest

import pictures
from build import Call, file_content, filled, make_account, make_image, make_product
from packshot.domain.access import Principal
from packshot.protocols.bitrix.methods import METHODS
from packshot.services import access
from packshot.services.core import Core
from packshot.services.setup import SCOPES, Seed

METHOD_NAMES = [method.name for method in METHODS.values()]
PICTURE = pictures.png()
UPLOAD = file_content(PICTURE)
NOBODY = 999_999

# Every method that names something by an id, with the ids of the neighbour.
FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("catalog.productImage.add", {"fields": {"productId": "$product"}, "fileContent": UPLOAD}),
    (
        "catalog.productImage.add",
        {"fields": {"productId": "$product", "type": "DETAIL_PICTURE"}, "fileContent": UPLOAD},
    ),
    ("catalog.productImage.get", {"productId": "$product", "id": "$image"}),
    ("catalog.productImage.get", {"productId": "$own", "id": "$image"}),
    ("catalog.productImage.list", {"productId": "$product"}),
    ("catalog.productImage.delete", {"productId": "$product", "id": "$image"}),
    ("catalog.productImage.delete", {"productId": "$own", "id": "$image"}),
    ("catalog.product.add", {"fields": {"iblockId": "$catalog", "name": "Mine"}}),
    ("catalog.product.get", {"id": "$product"}),
    ("catalog.product.update", {"id": "$product", "fields": {"name": "Mine"}}),
    ("catalog.product.delete", {"id": "$product"}),
]
WITHOUT_IDS = {"catalog.productImage.getFields", "catalog.product.list", "catalog.catalog.list"}


@pytest.fixture
async def neighbour(core: Core, seed: Seed) -> dict[str, Any]:
    """Another account with a catalog, a product, and an image of the same bytes as ours."""
    del seed
    them, catalog_id = await make_account(core, "neighbour")
    code = await access.create_webhook(core, "neighbour", them.user_id, SCOPES)
    product = await make_product(core, them, "Theirs", catalog_id)
    image = await make_image(core, them, product, PICTURE)
    return {
        "hook": f"/rest/{them.user_id}/{code}/",
        "user": them.user_id,
        "code": code,
        "product": product,
        "image": image.id,
        "catalog": catalog_id,
    }


def test_every_method_has_a_case() -> None:
    assert {method for method, _ in FOREIGN} | WITHOUT_IDS == set(METHOD_NAMES)


@pytest.mark.parametrize(("method", "params"), FOREIGN)
async def test_what_is_the_neighbours_is_answered_as_what_is_nobodys(
    method: str, params: Any, call: Call, client: httpx.AsyncClient, neighbour: dict[str, Any], product: int
) -> None:
    nobodys = {"product": NOBODY, "image": NOBODY, "catalog": NOBODY, "own": product}

    theirs = await call(method, filled(params, neighbour | {"own": product}), status=400)
    nothing = await call(method, filled(params, nobodys), status=400)

    assert theirs == nothing
    place = {"productId": neighbour["product"], "id": neighbour["image"]}
    kept = await client.post(neighbour["hook"] + "catalog.productImage.get", json=place)
    assert (await client.get(kept.json()["result"]["productImage"]["downloadUrl"])).content == PICTURE


async def test_lists_show_nothing_of_the_neighbours(
    call: Call, client: httpx.AsyncClient, neighbour: dict[str, Any], product: int
) -> None:
    select = ["id", "iblockId"]
    theirs = {"select": select, "filter": {"iblockId": neighbour["catalog"]}}
    everybodys = {"select": select, "filter": {">iblockId": 0}}

    products = await call("catalog.product.list", everybodys)
    catalogs_ = await call("catalog.catalog.list")
    their_products = await client.post(neighbour["hook"] + "catalog.product.list", json=everybodys)
    their_catalogs = await client.post(neighbour["hook"] + "catalog.catalog.list")

    assert (await call("catalog.product.list", theirs))["result"] == {"products": []}
    assert [row["id"] for row in products["result"]["products"]] == [product]
    assert [row["id"] for row in their_products.json()["result"]["products"]] == [neighbour["product"]]
    assert [row["id"] for row in catalogs_["result"]["catalogs"]] == [1, 2]
    assert [row["id"] for row in their_catalogs.json()["result"]["catalogs"]] == [neighbour["catalog"]]


async def test_a_product_cannot_be_moved_into_the_neighbours_catalog(
    call: Call, neighbour: dict[str, Any], product: int
) -> None:
    fields = {"iblockId": neighbour["catalog"], "name": "Still mine"}

    changed = await call("catalog.product.update", {"id": product, "fields": fields})

    assert changed["result"]["element"]["iblockId"] == 1


async def test_codes_are_unique_within_a_catalog_only(
    call: Call, client: httpx.AsyncClient, neighbour: dict[str, Any]
) -> None:
    fields = {"name": "Shirt", "code": "shirt"}
    await call("catalog.product.add", {"fields": fields | {"iblockId": 1}})

    theirs = await client.post(
        neighbour["hook"] + "catalog.product.add", json={"fields": fields | {"iblockId": neighbour["catalog"]}}
    )

    assert theirs.status_code == 200


async def test_a_code_works_with_its_own_user_only(
    client: httpx.AsyncClient, neighbour: dict[str, Any], seed: Seed
) -> None:
    paths = [f"/rest/{neighbour['user']}/{seed.webhook_code}/", f"/rest/{seed.user_id}/{neighbour['code']}/"]

    for path in paths:
        answer = await client.post(path + "catalog.catalog.list")

        assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")


async def test_deleting_ours_leaves_equal_bytes_of_the_neighbour(
    call: Call, client: httpx.AsyncClient, core: Core, admin: Principal, neighbour: dict[str, Any], product: int
) -> None:
    ours = await make_image(core, admin, product, PICTURE)

    await call("catalog.productImage.delete", {"productId": product, "id": ours.id})

    rows = await client.post(neighbour["hook"] + "catalog.productImage.list", json={"productId": neighbour["product"]})
    (row,) = rows.json()["result"]["productImages"]
    assert (await client.get(row["downloadUrl"])).content == PICTURE


async def test_bytes_are_shared_within_an_account_and_never_across(
    core: Core, admin: Principal, neighbour: dict[str, Any], product: int
) -> None:
    del neighbour

    for _ in range(2):
        await make_image(core, admin, product, PICTURE)

    assert len(await core.blobs.of_keys(0)) == 2


@pytest.mark.parametrize("method", METHOD_NAMES)
async def test_every_method_takes_the_scope_catalog(
    method: str, client: httpx.AsyncClient, core: Core, seed: Seed
) -> None:
    code = await access.create_webhook(core, "main", seed.user_id, frozenset({"user"}))

    answer = await client.post(f"/rest/{seed.user_id}/{code}/{method}", json={})

    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("method", METHOD_NAMES)
async def test_every_method_takes_a_credential(method: str, client: httpx.AsyncClient, seed: Seed) -> None:
    del seed

    answer = await client.post(f"/rest/{method}", json={})

    assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")
