"""An account sees nothing of another one: what is theirs is answered exactly as what is nobody's."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

import pictures
from build import Call, filled, make_account, make_image, make_product, open_shop
from oauth_client import make_application
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import access, catalogs, oauth
from packshot.services.core import Core
from packshot.services.setup import SCOPES, Seed
from valid_calls import CALLS, Valid, things

PICTURE = pictures.png()
NOBODYS = 999_999
NAMING = [name for name, valid in CALLS.items() if valid.foreign]
LISTS = {
    "catalog.product.list": "products",
    "catalog.product.sku.list": "units",
    "catalog.product.offer.list": "offers",
    "catalog.product.service.list": "services",
    "catalog.catalog.list": "catalogs",
    "catalog.section.list": "sections",
    "catalog.productProperty.list": "productProperties",
}
"""Lists of a whole account, with the key of their rows. Whoever asks for all sees their own."""

EVERYTHING = {"select": ["id", "iblockId"], "filter": {">iblockId": 0}, "order": {"id": "desc"}}
ONE_OF_EACH = Valid({"made": ["$product", "$sku", "$offer", "$service", "$section"]})


class Tenant(NamedTuple):
    """An account: its administrator, their two catalogs, and where they call."""

    admin: Principal
    catalog: int
    variations: int
    hook: str


class Town(NamedTuple):
    """Three accounts of one store, ours first."""

    core: Core
    client: httpx.AsyncClient
    tenants: list[Tenant]


shared = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_shop(tmp_path_factory.mktemp("town") / "data", Settings()) as shop:
        core, seed = shop.core, shop.seed
        hook = f"/rest/{seed.user_id}/{seed.webhook_code}/"
        tenants = [Tenant(shop.admin, seed.catalog_id, seed.variations_id, hook)]
        for name in ("neighbour", "third"):
            them, catalog_id = await make_account(core, name)
            variations = await catalogs.add(core, them.account_id, "Variations", catalog_id)
            code = await access.create_webhook(core, name, them.user_id, SCOPES)
            tenants.append(Tenant(them, catalog_id, variations, f"/rest/{them.user_id}/{code}/"))
        yield Town(core, shop.client, tenants)


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


@shared
@pytest.mark.parametrize("method", NAMING)
async def test_what_is_anothers_is_answered_as_what_is_nobodys(method: str, town: Town) -> None:
    valid = CALLS[method]
    own, *others = [await things(town.core, valid, *tenant[:3]) for tenant in town.tenants]
    town.core.db.written.clear()

    async def call(other: Mapping[str, int], names: Iterable[str]) -> tuple[int, Any]:
        known = own | {name: other[name] for name in names}
        answer = await town.client.post(town.tenants[0].hook + method, json=filled(valid.params, known))
        return answer.status_code, {key: value for key, value in answer.json().items() if key != "time"}

    for names in [*([name] for name in valid.foreign), valid.foreign]:
        nothing = await call(dict.fromkeys(names, NOBODYS), names)
        for other in others:
            assert await call(other, names) == nothing

    assert not town.core.db.written.is_set()


@shared
@pytest.mark.parametrize("method", LISTS)
async def test_a_list_of_everything_shows_ones_own(method: str, town: Town) -> None:
    made = [await things(town.core, ONE_OF_EACH, *tenant[:3]) for tenant in town.tenants]
    seen = []

    for tenant in town.tenants:
        rows = (await town.client.post(tenant.hook + method, json=EVERYTHING)).json()["result"][LISTS[method]]
        seen.append({row["id"] for row in rows})
        assert {row["iblockId"] for row in rows} <= {tenant.catalog, tenant.variations}

    assert len(set().union(*seen)) == sum(map(len, seen))
    for ids, own in zip(seen, made, strict=True):
        assert ids & set(own.values())


@shared
async def test_applications_see_their_own_account_only(town: Town) -> None:
    seen = []

    for name, tenant in zip(("main", "neighbour", "third"), town.tenants, strict=True):
        made = (await make_application(town.core, account=name)).application
        auth = {"auth": (await oauth.issue_tokens(town.core, made.id, tenant.admin.user_id)).access_token}
        rows = (await town.client.post("/rest/catalog.catalog.list", json=auth)).json()["result"]["catalogs"]
        about = (await town.client.post("/rest/app.info", json=auth)).json()["result"]
        assert [row["id"] for row in rows] == [tenant.catalog, tenant.variations]
        assert about["client_id"] == made.client_id
        seen.append(about["install"]["member_id"])

    assert len(set(seen)) == 3


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
