"""Every decision that FinerWorks' sources leave to us has a test; those that have no file of their own stand here."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from packshot.protocols.finerworks.methods import METHODS

V3 = Callable[..., Awaitable[httpx.Response]]
OK = {"success": True, "status_code": 200, "message": "", "debug": None}
IMAGE = {"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg", "pix_w": 30, "pix_h": 20}

TESTED: dict[int, str] = {
    1: "test_decision_1_an_update_takes_no_products_along",
    2: "test_decision_2_without_a_library_images_are_deleted_wherever_they_are",
    3: "test_decision_3_what_is_not_there_is_passed_over_and_named",
    4: "test_decision_4_an_image_of_another_library_or_session_is_a_miss",
    5: "test_decision_5_no_list_is_refused",
    6: "test_without_two_good_keys_the_answer_is_the_documented_one",
    7: "test_decisions_7_and_8_a_refusal_names_the_field_by_its_path_and_does_nothing",
    8: "test_decision_8_what_is_not_there_is_named_and_the_rest_is_changed",
    9: "test_decision_9_the_count_is_that_of_all_images_that_match",
    10: "test_decision_10_a_page_has_fifty_rows_at_most_and_says_how_many",
    11: "test_decision_11_a_page_below_the_first_is_the_first",
    12: "test_decision_12_a_search_looks_at_title_description_and_name",
    13: "test_decision_13_dates_have_seven_digits_and_the_offset_of_the_servers_zone",
    14: "test_decision_14_and_15_temporary_images_belong_to_a_session_and_expire_after_14_days",
    15: "test_decision_15_the_temporary_library_needs_a_session",
    16: "test_decision_16_images_are_active_until_they_are_not_and_can_be_listed_by_it",
    17: "test_decision_17_a_size_is_in_bytes_and_comes_back_as_it_was_told",
    18: "test_decision_18_more_than_five_images_are_refused_and_none_is_stored",
    19: "test_decision_19_a_guid_is_taken_once_in_an_account_whatever_the_library",
    20: "test_decision_20_an_update_answers_the_images_as_they_are_now_in_the_order_of_the_call",
    21: "test_a_filter_with_more_than_fifty_entries_is_ignored_as_documented",
    22: "test_only_a_privileged_pair_acts_for_the_account_it_names",
    23: "test_decision_23_images_of_every_site_are_listed_together",
    24: "test_a_path_is_read_in_any_case_and_with_any_slashes",
    25: "test_keys_in_the_query_can_be_closed",
    26: "test_decision_26_bytes_are_not_touched_by_the_call",
    27: "test_decision_27_a_submitted_product_is_answered_as_it_is_listed",
    28: "test_decision_28_calls_are_not_counted",
    29: "test_a_page_on_the_list_may_ask_with_both_key_headers",
    30: "test_decision_30_every_documented_key_is_there_and_null_where_there_is_nothing",
    31: "test_decision_31_a_company_has_its_name_its_address_and_what_it_calls_with",
    32: "test_a_submitted_product_gets_a_sku_of_its_own_and_keeps_the_code_that_was_sent",
}
"""A test of each decision, wherever it stands."""


def test_every_decision_has_a_test() -> None:
    texts = [path.read_text("utf-8") for path in Path(__file__).parents[2].rglob("test_*.py")]
    names = {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}

    assert sorted(TESTED) == list(range(1, 33))
    assert not set(TESTED.values()) - names


@pytest.mark.parametrize("size", [0, 1, 11_000_024, 2**40, "2147483648"])
async def test_decision_17_a_size_is_in_bytes_and_comes_back_as_it_was_told(v3: V3, size: Any) -> None:
    await v3("POST", "add_images", json={"images": [IMAGE | {"file_size": size}]})

    (image,) = (await v3("POST", "list_images")).json()["images"]
    assert image["file_size"] == int(size)


async def test_decision_27_a_submitted_product_is_answered_as_it_is_listed(v3: V3) -> None:
    (image,) = (await v3("POST", "add_images", json={"images": [IMAGE]})).json()["images"]
    product = {"product_sku": "5M41M9S8X10", "product_image": {"library_file": {"guid": image["guid"]}}}

    submitted = await v3("POST", "submit_product", json={"mode": "store", "product": product})

    assert submitted.json() == {
        "products": (await v3("POST", "list_virtual_inventory")).json()["products"], "status": OK,
    }  # fmt: skip


async def test_decision_28_calls_are_not_counted(v3: V3) -> None:
    answers = [await v3("GET", "get_user") for _ in range(100)]

    assert {answer.status_code for answer in answers} == {200}


async def test_decision_31_a_company_has_its_name_its_address_and_what_it_calls_with(v3: V3) -> None:
    company = (await v3("GET", "get_company_info")).json()["company_info"]

    assert company.keys() == {"name", "address", "app_details"}
    assert company["name"] == company["address"]["company_name"] == "main"


@pytest.mark.parametrize(
    "name",
    ["finerworks_select_query", "finerworks_insert_query", "finerworks_update_query", "add_virtual_inventory"],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
async def test_what_takes_sql_or_does_not_exist_is_not_there(v3: V3, name: str, verb: str) -> None:
    answer = await v3(verb, name, json={"query": "SELECT 1"})

    assert answer.status_code == 404
    assert name not in METHODS
