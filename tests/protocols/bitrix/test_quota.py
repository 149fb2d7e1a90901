"""Over its quota an account is refused new pictures, alone or with a product, and nothing else."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

import pictures
from build import Call, bracketed, file_content, make_image, make_product
from moments import keys_of
from packshot.domain.access import Principal
from packshot.services import accounts
from packshot.services.core import Core

ADD = "catalog.productImage.add"
SIZE = 1_000
SHIRT, MUG, CAP = [pictures.jpeg_of_size(SIZE + number) for number in range(3)]
FULL = {"error": 0, "error_description": "Disk space limit exceeded"}


@pytest.fixture
async def product(core: Core, admin: Principal) -> int:
    """A product with one image, in an account that has no room for another."""
    product_id = await make_product(core, admin)
    await make_image(core, admin, product_id, SHIRT)
    await accounts.set_quota(core, "main", len(SHIRT))
    return product_id


def picture(product_id: int, data: bytes) -> dict[str, Any]:
    return {"fields": {"productId": product_id, "type": "MORE_PHOTO"}, "fileContent": file_content(data, "a.jpg")}


def file_data(data: bytes) -> dict[str, Any]:
    return {"fileData": file_content(data, "a.jpg")}


async def images_of(call: Call, product_id: int) -> list[int]:
    answer = await call("catalog.productImage.list", {"productId": product_id})
    return [image["id"] for image in answer["result"]["productImages"]]


async def sizes(core: Core) -> list[int | None]:
    """The sizes of all originals that lie in the store, whatever points at them."""
    return [await core.blobs.find_size(key) for key in await keys_of(core)]


async def test_a_picture_over_the_quota_is_refused_and_nothing_of_it_is_kept(
    call: Call, core: Core, product: int
) -> None:
    assert await call(ADD, picture(product, MUG), 400) == FULL

    assert len(await images_of(call, product)) == 1
    assert await sizes(core) == [len(SHIRT)]


async def test_a_product_whose_pictures_together_pass_the_quota_is_refused_as_a_whole(
    call: Call, core: Core, product: int
) -> None:
    await accounts.set_quota(core, "main", len(SHIRT + MUG + CAP) - 1)
    fields = {"iblockId": 1, "name": "Mug", "detailPicture": file_data(MUG), "previewPicture": file_data(CAP)}

    assert await call("catalog.product.add", {"fields": fields}, 400) == FULL

    listed = await call("catalog.product.list", {"select": ["id", "iblockId"], "filter": {"iblockId": 1}})
    assert [row["id"] for row in listed["result"]["products"]] == [product]
    assert await sizes(core) == [len(SHIRT)]


async def test_a_change_of_a_product_that_brings_too_much_changes_nothing(call: Call, product: int) -> None:
    fields = {"name": "Blue shirt", "detailPicture": file_data(MUG)}

    assert await call("catalog.product.update", {"id": product, "fields": fields}, 400) == FULL

    shown = (await call("catalog.product.get", {"id": product}))["result"]["product"]
    assert (shown["name"], shown["detailPicture"]) == ("Shirt", None)


async def test_what_brings_no_new_bytes_goes_on(call: Call, product: int) -> None:
    added = await call(ADD, picture(product, SHIRT))  # its bytes are there already
    await call("catalog.product.update", {"id": product, "fields": {"name": "Blue shirt"}})
    await call("catalog.product.add", {"fields": {"iblockId": 1, "name": "Plain"}})
    one = {"productId": product, "id": added["result"]["productImage"]["id"]}

    assert (await call("catalog.productImage.get", one))["result"]
    assert (await call("catalog.productImage.delete", one))["result"] is True
    assert len(await images_of(call, product)) == 1


async def test_a_raised_quota_lets_pictures_in(call: Call, core: Core, product: int) -> None:
    await call(ADD, picture(product, MUG), 400)

    await accounts.set_quota(core, "main", len(SHIRT + MUG))

    await call(ADD, picture(product, MUG))
    assert await call(ADD, picture(product, CAP), 400) == FULL
    await accounts.set_quota(core, "main", None)
    await call(ADD, picture(product, CAP))
    assert len(await images_of(call, product)) == 3


async def test_of_uploads_at_once_only_those_pass_that_fit_together(
    core: Core, call: Call, admin: Principal, product: int
) -> None:
    await accounts.set_quota(core, "main", 3 * SIZE + 500)
    different = [pictures.jpeg_of_size(SIZE + number) for number in range(1, 7)]

    done = await asyncio.gather(*(make_image(core, admin, product, data) for data in different), return_exceptions=True)

    assert sorted(type(one).__name__ for one in done) == ["ProductImage"] * 2 + ["StoreFull"] * 4
    assert len(await images_of(call, product)) == len(await keys_of(core)) == 3


async def test_equal_pictures_at_once_count_once(core: Core, call: Call, admin: Principal, product: int) -> None:
    different = [pictures.jpeg_of_size(SIZE + number) for number in range(1, 9)]

    for count, data in enumerate(different, 1):
        await accounts.set_quota(core, "main", len(SHIRT + b"".join(different[:count])))
        await asyncio.gather(*(make_image(core, admin, product, data) for _ in range(5)))

    assert await call(ADD, picture(product, pictures.jpeg_of_size(SIZE + 9)), 400) == FULL


async def test_in_a_batch_those_pass_that_fit(call: Call, core: Core, product: int) -> None:
    await accounts.set_quota(core, "main", len(SHIRT + MUG))
    cmd = [f"{ADD}?{urlencode(list(bracketed(picture(product, data))))}" for data in (MUG, CAP, SHIRT)]

    answer = (await call("batch", {"cmd": cmd}))["result"]

    assert answer["result_error"] == {"1": {"error": "0", "error_description": "Disk space limit exceeded"}}
    assert len(await images_of(call, product)) == 3
