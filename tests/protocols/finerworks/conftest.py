"""What tests at the FinerWorks door begin with: the account's pair of keys, and calls with it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from build import make_inventory_product, make_library_image
from moments import keys_of
from packshot.domain.access import Principal
from packshot.domain.inventory import InventoryProduct
from packshot.domain.libraries import LibraryImage
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.keys import Keys
from packshot.services.setup import Seed

V3 = Callable[..., Awaitable[httpx.Response]]
Look = Callable[[], Awaitable[list[str]]]


@pytest.fixture
async def pair(core: Core, seed: Seed) -> Keys:
    del seed
    return await keys.create(core, setup.ACCOUNT)


@pytest.fixture
def headers(pair: Keys) -> dict[str, str]:
    return {"web_api_key": pair.web_api_key, "app_key": pair.app_key}


@pytest.fixture
def v3(client: httpx.AsyncClient, headers: dict[str, str]) -> V3:
    """`await v3("POST", "add_event", json={...})` calls with the account's keys."""

    async def call(verb: str, name: str, **more: Any) -> httpx.Response:
        more["headers"] = headers | more.get("headers", {})
        return await client.request(verb, f"/v3/{name}", **more)

    return call


@pytest.fixture
def left(core: Core, tmp_path: Path) -> Look:
    """`await left()`: the keys of all bytes in the store, and the names of unfinished files."""

    async def look() -> list[str]:
        return [*sorted(await keys_of(core)), *(path.name for path in (tmp_path / "data" / "staging").iterdir())]

    return look


@pytest.fixture
async def dunes(core: Core, admin: Principal) -> LibraryImage:
    """An image of the inventory library."""
    return await make_library_image(core, admin)


@pytest.fixture
async def sold(core: Core, admin: Principal, dunes: LibraryImage) -> InventoryProduct:
    """A product that is sold of it."""
    return await make_inventory_product(core, admin, dunes.guid)
