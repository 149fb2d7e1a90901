"""fast-bitrix24, as it comes: everything but raw calls goes through batch, by names it makes up."""

from base64 import b64encode
from typing import Any

import httpx
import pytest
from aiohttp import ClientResponseError
from fast_bitrix24 import BitrixAsync  # type: ignore[import-untyped]
from fast_bitrix24.server_response import ErrorInServerResponseException  # type: ignore[import-untyped]

from pictures import png
from serving import Server

SIZES = (0, 1, 50, 51, 120)
ABSENT = 999_999


@pytest.fixture
def b24(plain_shop: Server) -> BitrixAsync:
    return BitrixAsync(plain_shop.webhook_url, verbose=False)


async def ids_of_images(b24: BitrixAsync, server: Server, size: int) -> list[int]:
    product_id = server.facts["with_images"][size]
    return sorted(image["id"] for image in await b24.get_all("catalog.productImage.list", {"productId": product_id}))


async def new_product(b24: BitrixAsync) -> int:
    answer = await b24.call("catalog.product.add", {"fields": {"iblockId": 1, "name": "Shirt"}}, raw=True)
    return int(answer["result"]["element"]["id"])


def upload(product_id: int | str, data: bytes, name: str = "shirt.png") -> dict[str, Any]:
    return {"fields": {"productId": product_id}, "fileContent": [name, b64encode(data).decode()]}


@pytest.mark.parametrize("size", SIZES)
async def test_all_images_are_got(b24: BitrixAsync, plain_shop: Server, size: int) -> None:
    params = {"productId": plain_shop.facts["with_images"][size], "select": ["id", "name"]}

    found = await b24.get_all("catalog.productImage.list", params)

    assert sorted(image["name"] for image in found) == [f"{number:03}.png" for number in range(size)]


@pytest.mark.parametrize("size", SIZES)
async def test_all_products_are_got(b24: BitrixAsync, plain_shop: Server, size: int) -> None:
    params = {"select": ["id", "iblockId"], "filter": {"iblockId": 1, "name": f"One of {size}"}}

    found = await b24.get_all("catalog.product.list", params)

    assert sorted(product["id"] for product in found) == plain_shop.facts["named"][size]


@pytest.mark.parametrize("count", [1, 50, 52])
async def test_images_are_got_by_their_ids(b24: BitrixAsync, plain_shop: Server, count: int) -> None:
    ids = (await ids_of_images(b24, plain_shop, 120))[:count]
    params = {"productId": plain_shop.facts["with_images"][120]}

    found = await b24.get_by_ID("catalog.productImage.get", ids, "id", params)

    images = found.values() if count == 1 else [answer["productImage"] for answer in found.values()]
    assert sorted(image["id"] for image in images) == ids


async def test_catalogs_are_listed_and_got(b24: BitrixAsync) -> None:
    with pytest.warns(DeprecationWarning, match="list_and_get"):
        found = await b24.list_and_get("catalog.catalog", "id")

    assert [answer["catalog"]["id"] for answer in found.values()] == [1, 2]


@pytest.mark.parametrize("count", [1, 51])
async def test_many_pictures_are_uploaded_by_one_call(b24: BitrixAsync, count: int) -> None:
    product_id = await new_product(b24)
    pictures = {f"{width}.png": png(width, 5) for width in range(1, count + 1)}

    added = await b24.call(
        "catalog.productImage.add", [upload(product_id, data, name) for name, data in pictures.items()]
    )

    assert len(added) == count
    async with httpx.AsyncClient() as plain:
        stored = {image["name"]: (await plain.get(image["downloadUrl"])).content for image in added}
    assert stored == pictures


async def test_a_single_call_gives_its_result(b24: BitrixAsync) -> None:
    product_id = await new_product(b24)

    image = await b24.call("catalog.productImage.add", upload(product_id, png()))
    deleted = await b24.call("catalog.productImage.delete", {"productId": product_id, "id": image["id"]})

    assert image["productId"] == product_id
    assert deleted is True
    assert await b24.get_all("catalog.productImage.list", {"productId": product_id}) == []


async def test_commands_refer_to_what_earlier_ones_gave(b24: BitrixAsync) -> None:
    content = b64encode(png()).decode().replace("+", "%2B")
    cmd = {
        "product": "catalog.product.add?fields[iblockId]=1&fields[name]=Tie",
        "image": "catalog.productImage.add?fields[productId]=$result[product][element][id]"
        f"&fileContent[0]=tie.png&fileContent[1]={content}",
        "list": "catalog.productImage.list?productId=$result[product][element][id]",
        "again": "catalog.productImage.get?productId=$result[product][element][id]"
        "&id=$result[list][productImages][0][id]",
    }

    result = await b24.call_batch({"halt": 1, "cmd": cmd})

    assert result["again"]["productImage"]["id"] == result["image"]["productImage"]["id"]
    assert result["again"]["productImage"]["productId"] == result["product"]["element"]["id"]


@pytest.mark.parametrize("place", [0, 49])
async def test_one_failure_among_fifty_is_named(b24: BitrixAsync, plain_shop: Server, place: int) -> None:
    ids = (await ids_of_images(b24, plain_shop, 50))[:49]
    ids.insert(place, ABSENT)

    with pytest.raises(ErrorInServerResponseException) as caught:
        await b24.get_by_ID("catalog.productImage.get", ids, "id", {"productId": plain_shop.facts["with_images"][50]})

    (errors,) = caught.value.args
    wanted = {"error": "0", "error_description": "Image with the specified identifier not found"}
    assert errors == {str(ABSENT): wanted}


async def test_a_missing_parameter_in_a_batch_is_named(b24: BitrixAsync) -> None:
    with pytest.raises(ErrorInServerResponseException) as caught:
        await b24.call("catalog.productImage.get", {"id": 1})

    (errors,) = caught.value.args
    wanted = {"error": "100", "error_description": "Could not find value for parameter {productId}"}
    assert list(errors.values()) == [wanted]


@pytest.mark.parametrize(
    ("method", "status"),
    [("catalog.productImage.get", 400), ("catalog.productImage.paint", 404)],
)
async def test_a_raw_call_fails_with_the_status(b24: BitrixAsync, method: str, status: int) -> None:
    with pytest.raises(ClientResponseError) as caught:
        await b24.call(method, {"productId": ABSENT, "id": 1}, raw=True)

    assert caught.value.status == status


async def test_a_wrong_webhook_is_refused(plain_shop: Server) -> None:
    stranger = BitrixAsync(f"{plain_shop.base_url}/rest/1/wrong/", verbose=False)

    with pytest.raises(ClientResponseError) as caught:
        await stranger.get_all("catalog.productImage.list", {"productId": 1})

    assert caught.value.status == 401


async def test_a_busy_server_is_asked_again(b24: BitrixAsync) -> None:
    answers = [await b24.call("catalog.catalog.getFields", raw=True) for _ in range(3)]  # one is refused first

    assert all("iblockId" in answer["result"]["catalog"] for answer in answers)
