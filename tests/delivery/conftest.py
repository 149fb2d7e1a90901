"""Fixtures: the two doors that originals are served at."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from build import Call, make_image, make_product
from packshot.domain.access import Principal
from packshot.services.core import Core
from pictures import png

SMALL = png(30, 20)


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
