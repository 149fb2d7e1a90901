"""Rulings on the wire: decisions 1, 2 and 6, and rows of the sheet's section 13 that have no file of their own."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import pictures
from build import Call, Clock, file_content, make_image, make_product
from oauth_client import make_application
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.images import ImageRole, ProductImage
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.services import applications, oauth
from packshot.services.core import Core
from packshot.services.setup import Seed

ADD = "catalog.productImage.add"
GET = "catalog.productImage.get"
LIST = "catalog.productImage.list"
DELETE = "catalog.productImage.delete"
UPLOAD = file_content(pictures.png())
STRING_CODES = Settings(bitrix=BitrixSettings(error_codes="string"))
SEEN_ON_PORTALS = Settings(bitrix=BitrixSettings(wrong_webhook="invalid_credentials"))
NOT_AN_INTEGER = "Invalid value {%s} to match with parameter {productId}. Should be value of type int."


# Decision 1


async def test_decision_1_a_code_of_digits_is_a_bare_number(client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(hook + LIST, json={})

    assert '"error":100,' in answer.text


@pytest.mark.parametrize("settings", [STRING_CODES], ids=["string"])
async def test_decision_1_a_code_of_digits_is_a_string_by_setting(client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(hook + LIST, json={})

    assert '"error":"100",' in answer.text


@pytest.mark.parametrize("settings", [Settings(), STRING_CODES], ids=["documented", "string"])
async def test_decision_1_a_code_of_words_is_always_a_string(client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(f"{hook}catalog.nothing")

    assert '"error":"ERROR_METHOD_NOT_FOUND",' in answer.text


# Decision 2


@pytest.mark.parametrize("settings", [SEEN_ON_PORTALS], ids=["invalid_credentials"])
async def test_decision_2_a_wrong_webhook_answers_as_some_portals_do_by_setting(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    wrong = await client.post(f"/rest/{seed.user_id}/{'x' * 32}/{LIST}")
    absent = await client.post(f"/rest/{LIST}")

    assert wrong.status_code == 401
    assert wrong.json() == {"error": "INVALID_CREDENTIALS", "error_description": "Invalid request credentials"}
    assert absent.json()["error"] == "NO_AUTH_FOUND"


async def test_decision_2_a_wrong_webhook_is_refused_before_the_body_is_looked_at(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    answer = await client.post(f"/rest/{seed.user_id}/wrong/{ADD}", content=b"{", headers={"content-type": "text/json"})

    assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")


# Decision 6


async def test_decision_6_the_body_stands_above_the_query(
    client: httpx.AsyncClient, hook: str, product: int, image: ProductImage
) -> None:
    answer = await client.post(f"{hook}{GET}?productId={product}&id=999", json={"id": image.id})

    assert answer.json()["result"]["productImage"]["id"] == image.id


async def test_decision_6_the_paths_credential_stands_above_auth(
    client: httpx.AsyncClient, hook: str, seed: Seed
) -> None:
    right = await client.post(f"{hook}catalog.catalog.list?auth=unknown", json={"auth": "unknown"})
    wrong = await client.post(f"/rest/{seed.user_id}/wrong/catalog.catalog.list?auth=unknown")

    assert right.status_code == 200
    assert (wrong.status_code, wrong.json()["error"]) == (401, "NO_AUTH_FOUND")


async def test_decision_6_of_equal_keys_the_last_one_wins(client: httpx.AsyncClient, hook: str, product: int) -> None:
    small = f'{{"productId":999,"productId":{product}}}'
    text = file_content(pictures.jpeg_of_size(30_000))[1]
    large = (
        f'{{"fields":{{"productId":999}},"fileContent":["first.jpg","{text}"],'
        f'"fields":{{"productId":{product}}},"fileContent":["last.jpg","{text}"]}}'
    )
    json = {"content-type": "application/json"}

    listed = await client.post(hook + LIST, content=small, headers=json)
    added = await client.post(hook + ADD, content=large, headers=json)

    assert listed.status_code == 200
    assert added.json()["result"]["productImage"]["name"] == "last.jpg"


# Section 13

TESTED: dict[int, str] = {
    1: "test_decision_1_a_code_of_digits_is_a_bare_number",
    2: "test_row_2_an_unknown_method_is_a_404",
    3: "test_vector_10_a_wrong_code_a_foreign_user_and_an_expired_webhook_are_unknown",
    4: "test_row_4_a_token_nobody_issued_and_one_whose_time_is_over_are_told_apart",
    5: "test_fifty_commands_run_and_each_further_one_is_told_that_it_is_too_many",
    6: "test_a_batch_without_commands_is_refused",
    7: "test_row_7_without_counting_there_is_neither_total_nor_next",
    8: "test_row_8_filters_hold_all_at_once_and_unknown_ones_are_ignored",
    9: "test_row_9_select_chooses_fields_and_ignores_unknown_ones",
    10: "test_row_10_an_unknown_type_is_refused_in_clear_words",
    11: "test_row_11_a_replaced_picture_is_not_found_any_more",
    12: "test_row_12_a_list_is_ordered_by_id",
    13: "test_row_13_deleting_an_image_by_another_product_deletes_nothing",
    14: "test_row_14_an_id_is_never_used_twice",
    15: "test_decision_22_a_format_we_keep_is_known_by_its_bytes_whatever_its_name",
    16: "test_decision_3_any_text_is_read_by_the_rule",
    17: "test_row_17_a_file_may_come_as_list_as_map_and_as_filedata",
    18: "test_row_18_a_missing_field_is_named",
    19: "test_row_19_what_is_not_there_is_said_in_a_sentence",
    20: "test_only_who_may_call_a_method_gets_through",
    21: "test_an_image_changes_no_product_where_the_setting_says_so",
    22: "test_row_22_a_download_link_has_the_documented_anatomy_and_no_secret",
    23: "test_row_23_the_detail_url_is_the_documented_root_relative_path",
    24: "test_a_method_that_ends_in_xml_is_answered_in_xml",
    25: "test_without_the_setting_no_page_may_read_an_answer",
    26: "test_commands_of_a_batch_count_each_for_its_own_method",
    27: "test_accounts_and_source_addresses_have_buckets_of_their_own",
    28: "test_row_28_an_error_has_two_keys_and_no_time",
    29: "test_row_29_without_a_key_of_idempotency_each_call_is_another_one",
    30: "test_the_newer_rest_is_told_in_its_own_words_that_there_is_no_such_method",
    31: "test_a_webhook_over_plain_http_is_refused_where_https_is_required",
    32: "test_row_32_a_missing_product_id_is_code_100",
}
"""A test of each row of the section, wherever it stands."""


def test_every_row_and_every_vector_has_a_test() -> None:
    texts = [path.read_text("utf-8") for path in (Path(__file__).parents[2]).rglob("test_*.py")]
    names = {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}
    vectors = {int(match[1]) for name in names if (match := re.match(r"test_vector_(\d+)_", name))}

    assert sorted(TESTED) == list(range(1, 33))
    assert not set(TESTED.values()) - names
    assert vectors == set(range(1, 15))


@pytest.mark.parametrize(
    "method", ["catalog.productImage.update", "catalog.productImage", "nothing", "catalog.productImage.list.json.json"]
)
async def test_row_2_an_unknown_method_is_a_404(method: str, call: Call) -> None:
    answer = await call(method, status=404)

    assert answer == {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"}


async def test_row_4_a_token_nobody_issued_and_one_whose_time_is_over_are_told_apart(
    client: httpx.AsyncClient, core: Core, seed: Seed, clock: Clock
) -> None:
    made = (await make_application(core)).application
    token = (await oauth.issue_tokens(core, made.id, seed.user_id)).access_token

    good = await client.post("/rest/catalog.catalog.list", json={"auth": token})
    unknown = await client.post("/rest/catalog.catalog.list", json={"auth": token[::-1]})
    clock.advance(3_600)
    expired = await client.post("/rest/catalog.catalog.list", json={"auth": token})
    await applications.delete(core, made.client_id)
    clock.advance(1)
    revoked = await client.post("/rest/catalog.catalog.list", json={"auth": token})

    assert good.status_code == 200
    assert (unknown.status_code, unknown.json()["error"]) == (401, "invalid_token")
    assert (expired.status_code, expired.json()["error"]) == (401, "expired_token")
    assert (revoked.status_code, revoked.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("kind", ["DETAIL_PICTURE", "PREVIEW_PICTURE", "MORE_PHOTO"])
async def test_row_10_a_type_is_understood_in_any_case_and_answered_in_capitals(
    kind: str, call: Call, product: int
) -> None:
    for written in (kind, kind.lower(), kind.title()):
        added = await call(ADD, {"fields": {"productId": product, "type": written}, "fileContent": UPLOAD})

        assert added["result"]["productImage"]["type"] == kind


@pytest.mark.parametrize("names", [("productId", "type"), ("PRODUCT_ID", "TYPE"), ("productid", "Type")])
async def test_fields_of_an_image_are_known_in_any_case(names: tuple[str, str], call: Call, product: int) -> None:
    fields = dict(zip(names, (str(product), "DETAIL_PICTURE"), strict=True))

    added = await call(ADD, {"fields": fields, "fileContent": UPLOAD})

    assert added["result"]["productImage"]["type"] == "DETAIL_PICTURE"


@pytest.mark.parametrize("kind", ["", None])
async def test_row_10_no_type_means_one_more_photo(kind: str | None, call: Call, product: int) -> None:
    added = await call(ADD, {"fields": {"productId": product, "type": kind}, "fileContent": UPLOAD})

    assert added["result"]["productImage"]["type"] == "MORE_PHOTO"


@pytest.mark.parametrize("kind", ["more", "DETAIL", "detailPicture", 1, True, ["MORE_PHOTO"], {"a": 1}])
async def test_row_10_an_unknown_type_is_refused_in_clear_words(kind: Any, call: Call, product: int) -> None:
    refused = await call(ADD, {"fields": {"productId": product, "type": kind}, "fileContent": UPLOAD}, status=400)

    assert refused["error"] == 0
    assert "MORE_PHOTO" in refused["error_description"]


@pytest.mark.parametrize("kind", ["DETAIL_PICTURE", "PREVIEW_PICTURE"])
async def test_row_11_a_replaced_picture_is_not_found_any_more(
    kind: str, call: Call, client: httpx.AsyncClient, product: int
) -> None:
    add = {"fields": {"productId": product, "type": kind}, "fileContent": UPLOAD}
    old = (await call(ADD, add))["result"]["productImage"]
    other = {"fields": {"productId": product, "type": "MORE_PHOTO"}, "fileContent": UPLOAD}
    kept = (await call(ADD, other))["result"]["productImage"]["id"]

    new = (await call(ADD, add))["result"]["productImage"]["id"]

    await call(GET, {"productId": product, "id": old["id"]}, status=400)
    rows = (await call(LIST, {"productId": product}))["result"]["productImages"]
    assert [row["id"] for row in rows] == [kept, new]
    assert (await client.get(old["downloadUrl"])).status_code == 404
    assert (await client.get(old["detailUrl"])).status_code == 404


async def test_row_11_a_refused_replacement_leaves_the_old_picture(call: Call, product: int) -> None:
    fields = {"productId": product, "type": "DETAIL_PICTURE"}
    old = (await call(ADD, {"fields": fields, "fileContent": UPLOAD}))["result"]["productImage"]["id"]

    await call(ADD, {"fields": fields, "fileContent": ["a.png", "bm90IGEgcGljdHVyZQ=="]}, status=400)

    await call(GET, {"productId": product, "id": old})


async def test_row_12_a_list_is_ordered_by_id(call: Call, core: Core, admin: Principal, product: int) -> None:
    roles: tuple[ImageRole, ...] = ("more", "preview", "more", "detail", "more")
    ids = [(await make_image(core, admin, product, pictures.png(), role)).id for role in roles]

    rows = (await call(LIST, {"productId": product}))["result"]["productImages"]

    assert [row["id"] for row in rows] == ids == sorted(ids)


async def test_row_13_deleting_an_image_by_another_product_deletes_nothing(
    call: Call, core: Core, admin: Principal, product: int, image: ProductImage
) -> None:
    other = await make_product(core, admin)

    refused = await call(DELETE, {"productId": other, "id": image.id}, status=400)

    assert refused == {"error": 0, "error_description": "Image with the specified identifier not found"}
    await call(GET, {"productId": product, "id": image.id})


async def test_row_14_an_id_is_never_used_twice(call: Call, product: int, image: ProductImage) -> None:
    add = {"fields": {"productId": product, "type": "DETAIL_PICTURE"}, "fileContent": UPLOAD}
    seen = [image.id]

    for _ in range(3):
        seen.append((await call(ADD, add))["result"]["productImage"]["id"])
        await call(DELETE, {"productId": product, "id": seen[-1]})
    await call("catalog.product.delete", {"id": product})
    born = (await call("catalog.product.add", {"fields": {"iblockId": 1, "name": "New"}}))["result"]["element"]["id"]

    assert len(set(seen)) == 4
    assert sorted(seen) == seen
    assert born > product


async def test_row_18_a_missing_field_is_named(call: Call) -> None:
    image = await call(ADD, {"fields": {"type": "MORE_PHOTO"}, "fileContent": UPLOAD}, status=400)
    product = await call("catalog.product.add", {"fields": {"active": "Y"}}, status=400)

    assert image == {"error": 0, "error_description": "Required fields: productId"}
    assert product == {"error": 0, "error_description": "Required fields: iblockId, name"}


async def test_row_19_what_is_not_there_is_said_in_a_sentence(call: Call, product: int) -> None:
    no_product = await call(LIST, {"productId": 999}, status=400)
    no_image = await call(GET, {"productId": product, "id": 999}, status=400)

    assert no_product == {"error": 0, "error_description": "Product with the specified identifier not found"}
    assert no_image == {"error": 0, "error_description": "Image with the specified identifier not found"}


async def test_row_28_an_error_has_two_keys_and_no_time(client: httpx.AsyncClient, hook: str, seed: Seed) -> None:
    answers = [
        await client.post(hook + LIST, json={}),
        await client.post(f"{hook}nothing"),
        await client.post(f"/rest/{seed.user_id}/wrong/{LIST}"),
        await client.post(f"/rest/{LIST}", json={"auth": "x"}),
        await client.put(hook + LIST),
        await client.get("/rest/download.json?token=x"),
    ]

    for answer in answers:
        assert answer.status_code >= 400
        assert answer.json().keys() == {"error", "error_description"}


async def test_row_29_without_a_key_of_idempotency_each_call_is_another_one(
    client: httpx.AsyncClient, hook: str, product: int
) -> None:
    add = {"fields": {"productId": product}, "fileContent": UPLOAD}

    answers = [
        await client.post(hook + ADD, json=add, headers=headers)
        for headers in ({}, {}, {"Idempotency-Key": "once"}, {"Idempotency-Key": "once"})
    ]

    ids = [answer.json()["result"]["productImage"]["id"] for answer in answers]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2, ids[0] + 2]


@pytest.mark.parametrize("value", [None, ""])
async def test_row_32_a_missing_product_id_is_code_100(value: Any, call: Call) -> None:
    answer = await call(LIST, {"productId": value}, status=400)

    assert answer == {"error": 100, "error_description": "Could not find value for parameter {productId}"}


@pytest.mark.parametrize("value", ["abc", "1.5", 1.5, "1e3", "0x1", "\u0661", "1 2", "--1", "+1", 2**63, "9" * 4000])
async def test_row_32_a_product_id_that_is_no_integer_is_code_100(value: Any, call: Call) -> None:
    answer = await call(LIST, {"productId": value}, status=400)

    assert answer["error"] == 100
    assert answer["error_description"] == NOT_AN_INTEGER % str(value)[:100]


@pytest.mark.parametrize("value", [True, [1], {"a": 1}])
async def test_row_32_a_product_id_of_another_type_is_code_100(value: Any, call: Call) -> None:
    answer = await call(LIST, {"productId": value}, status=400)

    assert answer["error"] == 100
    assert answer["error_description"].endswith("to match with parameter {productId}. Should be value of type int.")


@pytest.mark.parametrize("value", [0, -1, "0", "-5", 999, 2**63 - 1])
async def test_row_32_a_product_id_nobody_has_is_not_found(value: Any, call: Call) -> None:
    answer = await call(LIST, {"productId": value}, status=400)

    assert answer == {"error": 0, "error_description": "Product with the specified identifier not found"}


@pytest.mark.parametrize("write", [str, int, lambda number: f" {number} "], ids=["text", "number", "spaced"])
async def test_row_32_an_integer_may_be_text(write: Any, call: Call, product: int, image: ProductImage) -> None:
    answer = await call(GET, {"productId": write(product), "id": write(image.id)})

    assert answer["result"]["productImage"]["id"] == image.id
