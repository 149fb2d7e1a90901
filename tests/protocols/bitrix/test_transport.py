"""How a call travels: addresses, verbs, encodings, the envelope and its `time` (sheet sections 1 and 2)."""

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

import pictures
from build import TIME, Clock, file_content
from packshot.config import ServerSettings, Settings
from packshot.domain.images import ProductImage
from packshot.services.setup import Seed

ADD = "catalog.productImage.add"
GET = "catalog.productImage.get"
LIST = "catalog.productImage.list"
JSON = "application/json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
MOSCOW = Settings(server=ServerSettings(timezone="Europe/Moscow"))


def place(image: ProductImage) -> dict[str, Any]:
    return {"productId": image.product_id, "id": image.id}


def shows(answer: httpx.Response, image: ProductImage) -> bool:
    """Whether this is the answer of productImage.get for that image."""
    return bool(answer.status_code == 200 and answer.json()["result"]["productImage"]["id"] == image.id)


# Addresses


@pytest.mark.parametrize(
    "path",
    [
        "/rest/{user}/{code}/catalog.productImage.get",
        "/rest/{user}/{code}/catalog.productImage.get.json",
        "/rest/{user}/{code}/catalog.productImage.get/",
        "/rest/{user}/{code}/catalog.productImage.get.json/",
        "/rest/{user}/{code}//catalog.productImage.get//",
        "//rest//{user}//{code}//catalog.productImage.get",
        "/rest/{user}/{code}/catalog.productimage.get",
        "/rest/{user}/{code}/CATALOG.PRODUCTIMAGE.GET.JSON",
        "/rest/{user}/{code}/catalog%2EproductImage%2Eget",
        "/rest/{user}/{code}/catalog.productImage.get?bx24_request_id=1&bx24_sdk_ver=2.2.0&bx24_sdk_type=b24-js-sdk",
    ],
)
async def test_every_form_of_an_address_reaches_the_method_without_a_redirect(
    path: str, client: httpx.AsyncClient, seed: Seed, image: ProductImage
) -> None:
    url = "http://shop.test" + path.format(user=seed.user_id, code=seed.webhook_code)

    posted = await client.post(url, json=place(image))
    got = await client.get(url + ("&" if "?" in url else "?") + f"productId={image.product_id}&id={image.id}")

    for answer in (posted, got):
        assert shows(answer, image), answer.text
        assert answer.headers["content-type"] == JSON


@pytest.mark.parametrize(
    "path",
    [
        "/rest/", "/rest/{user}/", "/rest/{user}/{code}", "/rest/{user}/{code}/", "/rest/{code}/catalog.catalog.list",
        "/rest/x/{code}/catalog.catalog.list", "/rest/{user}/{code}/catalog.catalog.list/more", "/rest/-1/{code}/batch",
        "/rest/{user}/{code}/catalog.catalog.list.xmlx", "/rest/%00/%ff/%0d%0a", "/rest/" + "9" * 5000 + "/{code}/a",
    ],
)  # fmt: skip
async def test_an_address_of_another_form_is_an_unknown_method(
    path: str, client: httpx.AsyncClient, seed: Seed
) -> None:
    answer = await client.post(path.format(user=seed.user_id, code=seed.webhook_code), json={})

    assert answer.status_code == 404
    assert answer.json() == {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"}
    assert answer.headers["content-type"] == JSON


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW"])
async def test_other_verbs_are_refused_in_json(verb: str, client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.request(verb, f"{hook}catalog.catalog.list")

    assert answer.status_code == 405
    assert answer.headers["content-type"] == JSON
    assert answer.headers["allow"] == "GET, POST"
    if verb != "HEAD":
        assert answer.json().keys() == {"error", "error_description"}


@pytest.mark.parametrize(
    ("path", "status"),
    [("{hook}catalog.catalog.list", 200), ("{hook}nothing", 404), ("/rest/catalog.catalog.list", 401), ("/rest", 404)],
)
async def test_every_answer_is_json_for_nobodys_cache_and_no_redirect(
    path: str, status: int, client: httpx.AsyncClient, hook: str
) -> None:
    answer = await client.get(path.format(hook=hook), headers={"accept": "text/html", "accept-encoding": "gzip"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == JSON
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert not {"location", "set-cookie", "content-encoding"} & answer.headers.keys()


# Encodings


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"productId": "$product", "id": "$image"}},
        {"json": {"productId": "$product", "id": "$image", "unknown": {"deep": [None]}, "__order": "order0000000000"}},
        {"data": {"productId": "$product", "id": "$image"}},
        {"data": {"PRODUCTID": "$product", "Id": "$image"}},
        {"json": {"productid": "$product", "ID": "$image"}},
        {"files": {"productId": (None, "$product"), "id": (None, "$image")}},
        {"params": {"productId": "$product", "id": "$image"}},
        {"params": {"productId": "$product"}, "json": {"id": "$image"}},
        {"params": {"id": "$image"}, "data": {"productId": "$product"}},
        {"params": {"productId": "$product", "id": "$image"}, "json": []},
        {"params": {"productId": "$product", "id": "$image"}, "json": None},
    ],
    ids=[
        "json",
        "unknown ones",
        "form",
        "form case",
        "json case",
        "multipart",
        "query",
        "both",
        "turned",
        "[]",
        "null",
    ],
)
async def test_parameters_come_in_json_form_multipart_and_query_together(
    sent: Any, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    text = json.dumps(sent).replace("$product", str(image.product_id)).replace("$image", str(image.id))

    answer = await client.post(hook + GET, **json.loads(text, object_hook=as_sent))

    assert shows(answer, image), answer.text


def as_sent(value: dict[str, Any]) -> dict[str, Any]:
    """What JSON has made lists of as httpx wants it: the parts of a multipart form are tuples."""
    return {key: tuple(item) if isinstance(item, list) and item else item for key, item in value.items()}


@pytest.mark.parametrize(
    "content_type",
    [
        "", "text/plain", "text/plain; charset=UTF-8", "application/json", "application/json; charset=UTF-8",
        "text/json", "application/vnd.api+json", "APPLICATION/JSON", FORM, "application/octet-stream", "nonsense",
    ],
)  # fmt: skip
async def test_a_json_object_is_read_as_one_whatever_it_is_called(
    content_type: str, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    for body in (json.dumps(place(image)), "\ufeff  " + json.dumps(place(image))):
        answer = await client.post(hook + GET, content=body, headers=headers)

        assert shows(answer, image), answer.text


@pytest.mark.parametrize("content_type", ["", "text/plain; charset=UTF-8", FORM, FORM + "; charset=utf-8"])
async def test_a_form_is_read_as_one_also_as_plain_text(
    content_type: str, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    answer = await client.post(hook + GET, content=f"productId={image.product_id}&id={image.id}", headers=headers)

    assert shows(answer, image), answer.text


@pytest.mark.parametrize("encoding", ["form", "multipart", "query"])
async def test_nested_parameters_travel_in_php_brackets(
    encoding: str, client: httpx.AsyncClient, hook: str, product: int
) -> None:
    name, text = file_content(pictures.png(), "ключ a+b&c=d.png")
    fields = {
        "fields[productId]": str(product),
        "fields[type]": "DETAIL_PICTURE",
        "fileContent[0]": name,
        "fileContent[1]": text,
        "fields[unknown][0][VALUE]": "x",
    }

    ways: dict[str, Any] = {
        "form": {"data": fields},
        "multipart": {"files": {key: (None, value) for key, value in fields.items()}},
        "query": {"params": fields},
    }
    added = await client.request("GET" if encoding == "query" else "POST", hook + ADD, **ways[encoding])

    image = added.json()["result"]["productImage"]
    assert (image["name"], image["type"]) == (name, "DETAIL_PICTURE")
    assert (await client.get(image["downloadUrl"])).content == pictures.png()


@pytest.mark.parametrize("brackets", [str, quote], ids=["plain", "escaped"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_lists_and_maps_of_a_list_method_travel_in_brackets(
    verb: str, brackets: Any, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    pairs = {
        "productId": str(image.product_id),
        "select[]": "id",
        "select[1]": "name",
        "filter[>id]": "0",
        "order[id]": "desc",
    }
    text = "&".join(f"{brackets(key)}={value}" for key, value in pairs.items()) + "&start=0"

    if verb == "GET":
        answer = await client.get(f"http://shop.test{hook}{LIST}?{text}")
    else:
        answer = await client.post(hook + LIST, content=text, headers={"content-type": FORM})

    assert answer.json()["result"] == {"productImages": [{"id": image.id, "name": "shirt.png"}]}


async def test_an_empty_list_in_a_form_selects_everything(
    client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    answer = await client.post(hook + LIST, data={"productId": str(image.product_id), "select[]": ""})

    assert len(answer.json()["result"]["productImages"][0]) == 7


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b" ", b"\xef\xbb\xbf"])
async def test_no_parameters_may_be_said_in_many_ways(body: bytes, client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(
        hook + "catalog.catalog.list", content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 200


async def test_text_is_answered_as_utf_8(client: httpx.AsyncClient, hook: str) -> None:
    fields = {"iblockId": 1, "name": "Кружка 😀 \u2028 </script>"}

    answer = await client.post(hook + "catalog.product.add", json={"fields": fields})

    assert answer.content.decode("utf-8")
    assert answer.json()["result"]["element"]["name"] == fields["name"]


# The envelope


async def test_time_has_eight_fields_of_the_documented_types(client: httpx.AsyncClient, hook: str) -> None:
    answer = (await client.post(hook + "catalog.catalog.list")).json()
    time = answer["time"]

    assert answer.keys() == {"result", "total", "time"}
    assert {key: type(value) for key, value in time.items()} == TIME
    assert 0 <= time["processing"] <= time["duration"]
    assert time["finish"] - time["start"] == pytest.approx(time["duration"], abs=1e-6)
    assert time["operating_reset_at"] == int(time["start"]) + 600


@pytest.mark.parametrize("settings", [Settings(), MOSCOW], ids=["UTC", "Moscow"])
async def test_times_are_in_the_servers_zone_with_its_offset_and_no_fraction(
    settings: Settings, client: httpx.AsyncClient, hook: str, image: ProductImage, clock: Clock
) -> None:
    offset, hour = (r"\+03:00", 11) if settings is MOSCOW else (r"\+00:00", 8)

    answer = (await client.post(hook + GET, json=place(image))).json()

    assert clock() == 1_800_000_000
    assert re.fullmatch(rf"2027-01-15T{hour:02}:00:00{offset}", answer["result"]["productImage"]["createTime"])
    for key in ("date_start", "date_finish"):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d{offset}", answer["time"][key])
