"""Fixtures: the two doors that originals are served at, and a store with image workers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import pytest
import pytest_asyncio

from build import Call, Shop, make_image, make_product, open_shop
from packshot.domain.access import Principal
from packshot.services.core import Core
from pictures import png

SMALL = png(30, 20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """One store for all tests of a module, with its `SETTINGS` and image workers that are ready."""
    async with open_shop(tmp_path_factory.mktemp("shop") / "data", request.module.SETTINGS) as shop:
        await shop.core.workers.start()
        yield shop


@pytest.fixture(params=["downloadUrl", "detailUrl"])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def give(
    core: Core, admin: Principal, call: Call, door: Literal["downloadUrl", "detailUrl"]
) -> Callable[..., Awaitable[str]]:
    """`await give(data)` stores a picture and returns its address at this door."""

    async def store(data: bytes = SMALL, name: str = "shirt.png") -> str:
        product_id = await make_product(core, admin)
        image = await make_image(core, admin, product_id, data, name=name)
        answer = await call("catalog.productImage.get", {"productId": product_id, "id": image.id})
        return str(answer["result"]["productImage"][door])

    return store
