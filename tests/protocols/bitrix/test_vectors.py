"""The ready test vectors of the fact sheet's section 15, one test each, under their numbers there.

Vector 9 stands in test_refusals.py, 11 in test_limits.py.
"""

import json
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx
import pytest

import pictures
from build import Call, Clock, file_content, make_images, make_product, vendor_sample
from oauth_client import make_application
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.services import access, oauth, users
from packshot.services.core import Core
from packshot.services.setup import Seed

ADD = "catalog.productImage.add"
LIST = "catalog.productImage.list"
NO_PRODUCT = {"error": "0", "error_description": "Product with the specified identifier not found"}


def sample_add(product: int) -> dict[str, Any]:
    return {"fields": {"productId": product, "type": "MORE_PHOTO"}, "fileContent": ["test.jpeg", vendor_sample()]}


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "utf-8"])
async def test_vector_1_the_documented_sample_is_kept_byte_for_byte(
    ascii_only: bool,  # noqa: FBT001 - a parameter of the test, not a switch
    client: httpx.AsyncClient,
    hook: str,
    product: int,
) -> None:
    body = json.dumps(sample_add(product), ensure_ascii=ascii_only)

    added = await client.post(hook + ADD, content=body, headers={"content-type": "application/json"})
    image = added.json()["result"]["productImage"]
    downloaded = await client.get(image["downloadUrl"])
    public = await client.get(image["detailUrl"])

    assert vendor_sample().count("\u00ad") == 24
    assert added.status_code == 200
    assert image["name"] == "test.jpeg"
    assert downloaded.content == public.content == pictures.double_png()
    assert len(downloaded.content) == 1092
    assert downloaded.headers["content-type"] == public.headers["content-type"] == "image/png"


@pytest.mark.parametrize("path", ["catalog.productimage.add/?bx24_request_id=x", "/catalog.productimage.add/"])
async def test_vector_2_the_php_sdk_finds_the_method_under_its_own_paths(
    path: str, client: httpx.AsyncClient, hook: str, product: int
) -> None:
    answer = await client.post(hook + path, json=sample_add(product))

    assert answer.status_code == 200
    assert answer.json()["result"]["productImage"]["name"] == "test.jpeg"


@pytest.mark.parametrize("plus", ["%2B", "+"], ids=["escaped", "raw"])
async def test_vector_3_a_plus_in_a_forms_base64_survives(
    plus: str, client: httpx.AsyncClient, hook: str, product: int
) -> None:
    data = pictures.png_around(
        pictures.png_header(1, 1), b"\xfb\xef\xbe\xfb\xef\xbe", pictures.png_chunk(b"tEXt", b"\xfb" * 30)
    )
    text = file_content(data)[1]
    assert "+" in text
    form = f"fields[productId]={product}&fileContent[0]=a.png&fileContent[1]={quote(text, safe='+').replace('+', plus)}"

    added = await client.post(hook + ADD, content=form, headers={"content-type": "application/x-www-form-urlencoded"})

    assert added.status_code == 200, added.text
    assert (await client.get(added.json()["result"]["productImage"]["downloadUrl"])).content == data


@pytest.mark.parametrize(
    "request_", [{"params": {"auth": "0123abc"}}, {"json": {"auth": "0123abc"}}, {"data": {"auth": "0123abc"}}]
)
async def test_vector_4_a_token_is_looked_for_in_query_json_and_form(
    request_: dict[str, Any], client: httpx.AsyncClient, seed: Seed
) -> None:
    del seed

    answer = await client.post(f"/rest/{LIST}", **request_)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("place", ["params", "json", "data"])
async def test_vector_4_a_token_is_good_in_query_json_and_form(
    place: str, client: httpx.AsyncClient, core: Core, seed: Seed, product: int
) -> None:
    made = await make_application(core)
    token = (await oauth.issue_tokens(core, made.application.id, seed.user_id)).access_token
    verb = "GET" if place == "params" else "POST"
    sent: Any = {place: {"auth": token, "productId": str(product)}}

    answer = await client.request(verb, f"/rest/{LIST}", **sent)

    assert answer.json()["result"] == {"productImages": []}


async def test_vector_4_without_a_credential_nothing_is_answered(client: httpx.AsyncClient, seed: Seed) -> None:
    del seed

    answers = [await client.get(f"/rest/{LIST}?productId=1"), await client.post(f"/rest/{LIST}.json", json={})]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.json() == {"error": "NO_AUTH_FOUND", "error_description": "Wrong authorization data"}


async def test_vector_5_an_image_can_be_got_listed_and_deleted(call: Call, product: int) -> None:
    added = (await call(ADD, sample_add(product)))["result"]["productImage"]
    place = {"productId": product, "id": added["id"]}
    same = {key: value for key, value in added.items() if key != "downloadUrl"}

    got = (await call("catalog.productImage.get", place))["result"]["productImage"]
    (listed,) = (await call(LIST, {"productId": product}))["result"]["productImages"]
    deleted = await call("catalog.productImage.delete", place)
    empty = await call(LIST, {"productId": product})
    gone = await call("catalog.productImage.get", place, status=400)

    assert got.items() >= same.items()
    assert listed.items() >= same.items()
    assert deleted["result"] is True
    assert (empty["result"], empty["total"]) == ({"productImages": []}, 0)
    assert gone == {"error": 0, "error_description": "Image with the specified identifier not found"}


@pytest.mark.parametrize("keys", [("0", "1", "2"), ("new", "image", "bad"), ("5", "1", "x"), None])
async def test_vector_8_a_batch_makes_a_product_and_puts_an_image_on_it(
    keys: tuple[str, str, str] | None, call: Call
) -> None:
    names = keys or ("0", "1", "2")
    upload = f"fileContent[0]=a.png&fileContent[1]={quote(file_content(pictures.png())[1], safe='')}"
    commands = (
        "catalog.product.add?fields[iblockId]=1&fields[name]=Shirt",
        f"catalog.productImage.add?fields[productId]=$result[{names[0]}][element][id]&{upload}",
        "batch?cmd[a]=server.time",
    )

    answer = await call("batch", {"cmd": dict(zip(names, commands, strict=True)) if keys else list(commands)})

    sections, refused = answer["result"], {"error": "ERROR_BATCH_METHOD_NOT_ALLOWED"}
    as_lists = names == ("0", "1", "2")
    made, image = sections["result"] if as_lists else [sections["result"][name] for name in names[:2]]
    assert image["productImage"]["productId"] == made["element"]["id"]
    assert isinstance(sections["result_time"], list) is as_lists
    assert sections["result_error"][names[2]].items() >= refused.items()
    assert (sections["result_total"], sections["result_next"]) == ([], [])


@pytest.mark.parametrize(("failing", "errors"), [(0, [NO_PRODUCT]), (2, {"2": NO_PRODUCT})], ids=["first", "last"])
async def test_vector_8_a_failure_keeps_its_key_wherever_it_stands(failing: int, errors: Any, call: Call) -> None:
    commands = ["server.time"] * 3
    commands[failing] = "catalog.product.get?id=999"

    sections = (await call("batch", {"cmd": commands}))["result"]

    # PHP encodes an array with the keys 0 to n-1 as a list, and with any others as an object.
    assert sections["result_error"] == errors
    assert len(sections["result"]) == 2


async def test_vector_8_of_fifty_one_commands_the_last_is_too_many(call: Call) -> None:
    sections = (await call("batch", {"cmd": ["server.time"] * 51}))["result"]

    assert len(sections["result"]) == 50
    assert sections["result_error"]["50"]["error"] == "ERROR_BATCH_LENGTH_EXCEEDED"


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
async def test_vector_6_the_cursor_walk_ends_with_every_row(
    count: int, call: Call, core: Core, admin: Principal, product: int
) -> None:
    ids = await make_images(core, admin, product, count, pictures.png())
    await make_images(core, admin, await make_product(core, admin), 2, pictures.png())
    seen: list[int] = []
    last = 0

    for _ in range(count // 50 + 1):
        walk = {"productId": product, "order": {"ID": "ASC"}, "filter": {">ID": last}, "start": -1}
        rows = (await call(LIST, walk))["result"]["productImages"]
        seen += [row["id"] for row in rows]
        if len(rows) < 50:
            break
        last = seen[-1]
    else:
        pytest.fail("the walk does not end")

    assert seen == ids


async def test_vector_7_pages_are_counted_by_start_next_and_total(
    call: Call, core: Core, admin: Principal, product: int
) -> None:
    ids = await make_images(core, admin, product, 120, pictures.png())

    pages = [await call(LIST, {"productId": product, "start": start}) for start in (0, 50, 100)]

    assert [page.get("next") for page in pages] == [50, 100, None]
    assert [page["total"] for page in pages] == [120, 120, 120]
    assert "next" not in pages[2]
    assert [row["id"] for page in pages for row in page["result"]["productImages"]] == ids


async def test_vector_10_a_wrong_code_a_foreign_user_and_an_expired_webhook_are_unknown(
    client: httpx.AsyncClient, seed: Seed, core: Core, clock: Clock
) -> None:
    short = await access.create_webhook(core, "main", seed.user_id, frozenset({"catalog"}), expires_in_s=60)
    path = f"/rest/{seed.user_id}/{short}/catalog.catalog.list"
    before = await client.get(path)
    clock.advance(60)

    answers = [
        await client.get(f"/rest/{seed.user_id}/{'x' * 32}/catalog.catalog.list"),
        await client.get(f"/rest/{seed.user_id + 1}/{seed.webhook_code}/catalog.catalog.list"),
        await client.get(path),
    ]

    assert before.status_code == 200
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json() == {"error": "NO_AUTH_FOUND", "error_description": "Wrong authorization data"}


async def test_vector_10_a_viewer_adds_nothing(client: httpx.AsyncClient, core: Core, product: int) -> None:
    viewer = await users.add(core, "main", "ann", "viewer")
    code = await access.create_webhook(core, "main", viewer, frozenset({"catalog"}))

    answer = await client.post(f"/rest/{viewer}/{code}/{ADD}", json=sample_add(product))

    assert answer.status_code == 400
    assert answer.json() == {"error": 200040300020, "error_description": "Access Denied"}


async def test_vector_10_a_token_ends_after_its_hour(
    client: httpx.AsyncClient, core: Core, seed: Seed, clock: Clock
) -> None:
    made = await make_application(core)
    token = (await oauth.issue_tokens(core, made.application.id, seed.user_id)).access_token
    clock.advance(3_600)

    answer = await client.post(f"/rest/{LIST}", json={"auth": token})

    assert answer.status_code == 401
    assert answer.json() == {"error": "expired_token", "error_description": "The access token provided has expired"}


async def test_vector_10_a_webhook_without_the_scope_is_told_so(
    client: httpx.AsyncClient, seed: Seed, core: Core
) -> None:
    code = await access.create_webhook(core, "main", seed.user_id, frozenset({"user"}))

    answer = await client.post(f"/rest/{seed.user_id}/{code}/{LIST}", json={"productId": 1})

    assert answer.status_code == 403
    assert answer.json() == {
        "error": "insufficient_scope",
        "error_description": "The request requires higher privileges than provided by the webhook token",
    }


async def test_vector_12_a_second_detail_picture_takes_the_place_of_the_first(call: Call, product: int) -> None:
    add = {"fields": {"productId": product, "type": "DETAIL_PICTURE"}, "fileContent": file_content(pictures.png())}
    first = (await call(ADD, add))["result"]["productImage"]["id"]

    second = (await call(ADD, add))["result"]["productImage"]["id"]
    rows = (await call(LIST, {"productId": product}))["result"]["productImages"]
    shown = (await call("catalog.product.get", {"id": product}))["result"]["product"]["detailPicture"]

    assert second > first
    assert [(row["id"], row["type"]) for row in rows] == [(second, "DETAIL_PICTURE")]
    assert shown["id"] == str(second)


async def test_vector_13_links_need_nothing_but_themselves(
    call: Call, client: httpx.AsyncClient, product: int, image: ProductImage
) -> None:
    shown = (await call("catalog.productImage.get", {"productId": product, "id": image.id}))["result"]["productImage"]
    forged = shown["downloadUrl"].replace("token=catalog%7C", "token=catalog%7CA")

    downloaded = await client.get(shown["downloadUrl"])
    public = await client.get(shown["detailUrl"])
    refused = await client.get(forged)

    assert not client.cookies
    assert downloaded.content == public.content == pictures.png()
    assert refused.status_code == 403


async def test_vector_14_a_list_is_xml_with_the_root_response(
    client: httpx.AsyncClient, hook: str, product: int, image: ProductImage
) -> None:
    answer = await client.post(f"{hook}{LIST}.xml", json={"productId": product})

    root = ET.fromstring(answer.content)
    assert root.tag == "response"
    assert root.findtext("result/productImages/item/id") == str(image.id)
    assert root.findtext("total") == "1"
