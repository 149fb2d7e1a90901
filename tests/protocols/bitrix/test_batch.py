"""batch: fifty commands in one call, their references to each other, and their errors (sheet section 6)."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pictures
from build import TIME, Call, make_images, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.protocols.bitrix.batch import MAX_INSERTED
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.services.core import Core

SECTIONS = {"result", "result_error", "result_total", "result_next", "result_time"}
NO_METHOD = {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"}
NOT_ALLOWED = {"error": "ERROR_BATCH_METHOD_NOT_ALLOWED", "error_description": "Method is not allowed for batch usage"}
TOO_LONG = {"error": "ERROR_BATCH_LENGTH_EXCEEDED", "error_description": "Max batch length exceeded"}
NO_CMD = {"error": 100, "error_description": "Could not find value for parameter {cmd}"}

CATALOGS = "catalog.catalog.list"
ADD = "catalog.product.add?fields[iblockId]=1&fields[name]="
LIST = "catalog.productImage.list"


async def run(call: Call, cmd: Any, **more: Any) -> Any:
    return (await call("batch", {"cmd": cmd, **more}))["result"]


async def names(call: Call) -> list[str]:
    """The names of all products."""
    found = await call("catalog.product.list", {"select": ["id", "iblockId", "name"], "filter": {"iblockId": 1}})
    return [row["name"] for row in found["result"]["products"]]


# Shapes


async def test_named_commands_come_back_under_their_names_in_five_sections(call: Call, image: ProductImage) -> None:
    list_ = f"{LIST}?productId={image.product_id}"

    answer = await run(call, {"all": CATALOGS, "pictures": list_, "wrong": "no.such"})

    assert set(answer) == SECTIONS
    assert list(answer["result"]) == ["all", "pictures"]
    assert answer["result"]["pictures"]["productImages"][0]["id"] == image.id
    assert answer["result_error"] == {"wrong": NO_METHOD}
    assert answer["result_total"] == {"all": 2, "pictures": 1}
    assert answer["result_next"] == []
    assert set(answer["result_time"]) == {"all", "pictures"}
    assert {key: type(value) for key, value in answer["result_time"]["all"].items()} == TIME


@pytest.mark.parametrize("cmd", [[CATALOGS, CATALOGS], {"0": CATALOGS, "1": CATALOGS}])
async def test_commands_numbered_from_zero_come_back_as_lists(call: Call, cmd: Any) -> None:
    answer = await run(call, cmd)

    assert [set(result) for result in answer["result"]] == [{"catalogs"}, {"catalogs"}]
    assert answer["result_total"] == [2, 2]
    assert len(answer["result_time"]) == 2
    assert answer["result_error"] == []


@pytest.mark.parametrize("cmd", [{"1": CATALOGS, "2": CATALOGS}, {"1": CATALOGS, "0": CATALOGS}, {"00": CATALOGS}])
async def test_other_numbers_come_back_as_an_object_in_the_order_they_were_sent(call: Call, cmd: Any) -> None:
    answer = await run(call, cmd)

    assert list(answer["result"]) == list(cmd)


async def test_a_failure_at_the_first_place_is_a_list_of_one_and_the_rest_an_object(call: Call) -> None:
    answer = await run(call, ["no.such", CATALOGS])

    assert answer["result_error"] == [NO_METHOD]
    assert list(answer["result"]) == ["1"]


async def test_a_failure_at_the_last_place_leaves_the_others_a_list(call: Call) -> None:
    answer = await run(call, [CATALOGS, CATALOGS, "no.such"])

    assert len(answer["result"]) == 2
    assert answer["result_error"] == {"2": NO_METHOD}


async def test_a_batch_whose_commands_all_fail_is_still_answered_with_200(call: Call) -> None:
    answer = await run(call, ["no.such"])

    assert answer["result"] == []
    assert answer["result_time"] == []


async def test_next_stands_beside_the_commands_that_have_one(
    call: Call, core: Core, admin: Principal, product: int
) -> None:
    await make_images(core, admin, product, 51, pictures.png())

    answer = await run(call, {"first": f"{LIST}?productId={product}", "rest": f"{LIST}?productId={product}&start=50"})

    assert answer["result_next"] == {"first": 50}
    assert answer["result_total"] == {"first": 51, "rest": 51}


# How it travels


async def test_a_form_with_brackets_is_a_batch_too(client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(f"{hook}batch.json", data={"cmd[a]": CATALOGS, "cmd[b]": "no.such", "halt": "0"})

    assert list(answer.json()["result"]["result"]) == ["a"]
    assert list(answer.json()["result"]["result_error"]) == ["b"]


async def test_in_an_address_commands_are_encoded_twice(client: httpx.AsyncClient, hook: str) -> None:
    command = f"catalog.product.add?{urlencode({'fields[iblockId]': 1, 'fields[name]': 'Tea & Söhne + 1=2'})}"

    answer = await client.get(f"{hook}batch?{urlencode({'cmd[a]': command})}")

    assert answer.json()["result"]["result"]["a"]["element"]["name"] == "Tea & Söhne + 1=2"


@pytest.mark.parametrize(
    "command", ["CATALOG.CATALOG.LIST", "/catalog.catalog.list", f"{CATALOGS}?", f"{CATALOGS}.json?&"]
)
async def test_methods_in_a_batch_are_named_as_freely_as_elsewhere(call: Call, command: str) -> None:
    answer = await run(call, {"a": command})

    assert answer["result"]["a"]["catalogs"]


async def test_commands_run_in_the_order_they_were_sent(call: Call) -> None:
    await run(call, {key: f"{ADD}{key}" for key in ("z", "a", "m")})

    assert await names(call) == ["z", "a", "m"]


async def test_parameters_nobody_knows_are_ignored(call: Call, product: int) -> None:
    answer = await run(call, {"order0000000000": f"{LIST}?productId={product}&__order=order0000000000&auth=x&"})

    assert answer["result_error"] == []


# Refusals


@pytest.mark.parametrize("params", [{}, {"cmd": {}}, {"cmd": []}, {"cmd": "a"}, {"cmd": 7}, {"cmd": None}])
async def test_a_batch_without_commands_is_refused(call: Call, params: Any) -> None:
    assert await call("batch", params, status=400) == NO_CMD


@pytest.mark.parametrize("command", [None, 7, {"method": CATALOGS}, [CATALOGS]])
async def test_a_command_that_is_no_text_fails_alone(call: Call, command: Any) -> None:
    answer = await run(call, {"a": command, "b": CATALOGS})

    assert answer["result_error"]["a"]["error"] == "100"
    assert "b" in answer["result"]


async def test_a_batch_in_a_batch_is_not_allowed(call: Call) -> None:
    answer = await run(call, {"a": "batch?cmd[x]=catalog.catalog.list", "b": CATALOGS})

    assert answer["result_error"] == {"a": NOT_ALLOWED}
    assert "b" in answer["result"]


async def test_fifty_commands_run_and_each_further_one_is_told_that_it_is_too_many(call: Call) -> None:
    answer = await run(call, [f"{ADD}{number}" for number in range(52)])

    assert len(answer["result"]) == 50
    assert answer["result_error"] == {"50": TOO_LONG, "51": TOO_LONG}
    assert len(await names(call)) == 50


async def test_codes_inside_are_text_at_any_setting(call: Call, product: int) -> None:
    answer = await run(call, {"a": f"catalog.productImage.get?productId={product}&id=99", "b": f"{LIST}?productId="})

    assert answer["result_error"]["a"] == {
        "error": "0",
        "error_description": "Image with the specified identifier not found",
    }
    assert answer["result_error"]["b"]["error"] == "100"


async def test_a_command_whose_parameters_cannot_be_read_does_not_take_the_others_along(call: Call) -> None:
    deep = "&a" + "[b]" * 20 + "=1"

    answer = await run(call, {"deep": f"{CATALOGS}?{deep}", "broken": f"{CATALOGS}?a=%ff", "fine": CATALOGS})

    assert set(answer["result_error"]) == {"deep", "broken"}
    assert set(answer["result"]) == {"fine"}


# halt


@pytest.mark.parametrize("halt", [True, 1, "1", "true", "True", "Y"])
async def test_halt_stops_behind_the_first_failure_and_keeps_what_was_done(call: Call, halt: Any) -> None:
    answer = await run(call, {"a": f"{ADD}first", "b": "no.such", "c": f"{ADD}second"}, halt=halt)

    assert set(answer["result"]) == {"a"}
    assert answer["result_error"] == {"b": NO_METHOD}
    assert await names(call) == ["first"]


@pytest.mark.parametrize("halt", [False, 0, "0", "false", "False", "", None, "perhaps"])
async def test_without_halt_the_rest_goes_on(call: Call, halt: Any) -> None:
    await run(call, {"a": f"{ADD}first", "b": "no.such", "c": f"{ADD}second"}, halt=halt)

    assert await names(call) == ["first", "second"]


async def test_halt_says_nothing_of_commands_that_are_too_many_behind_a_failure(call: Call) -> None:
    answer = await run(call, ["no.such", *[CATALOGS] * 60], halt=1)

    assert answer["result_error"] == [NO_METHOD]


# References


async def test_a_picture_is_added_to_the_product_made_one_command_before(call: Call) -> None:
    picture = urlencode({"fileContent[0]": "a.png", "fileContent[1]": b64encode(pictures.png()).decode()})
    cmd = {
        "product": f"{ADD}Mug",
        "picture": f"catalog.productImage.add?fields[productId]=$result[product][element][id]&{picture}",
        "all": f"{LIST}?productId=$result[product][element][id]",
        "again": "catalog.productImage.get?productId=$result[all][productImages][0][productId]"
        "&id=$result[all][productImages][0][id]",
    }

    answer = await run(call, cmd)

    assert answer["result_error"] == []
    assert answer["result"]["again"]["productImage"]["name"] == "a.png"


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("escape", [str, quote, lambda text: quote(text, safe="")])
async def test_a_reference_is_found_however_it_was_escaped(call: Call, escape: Any) -> None:
    reference = escape("$result[0][products][0][id]")

    answer = await run(
        call, ["catalog.product.list?filter[iblockId]=1&select[]=id&select[]=iblockId", f"{LIST}?productId={reference}"]
    )

    assert answer["result"][1]["productImages"] == []


async def test_references_stand_inside_other_text_and_more_than_once(call: Call) -> None:
    answer = await run(call, {"a": f"{ADD}Mug", "b": f"{ADD}$result[a][element][name]-$result[a][element][id]!"})

    assert answer["result"]["b"]["element"]["name"] == f"Mug-{answer['result']['a']['element']['id']}!"


@pytest.mark.parametrize(
    "reference",
    [
        "$result[none][x]", "$result[a]", "$result[a][element]", "$result[a][element][none]",
        "$result[a][element][id][0]", "$result[b][element][name]", "$result[a][element][detailText]",
        "$result[a][__class__]", "$result[a][element][-1]",
    ],
)  # fmt: skip
async def test_a_reference_that_leads_nowhere_is_empty(call: Call, reference: str) -> None:
    answer = await run(call, {"a": f"{ADD}Mug", "b": f"{ADD}[{quote(reference)}]"})

    assert answer["result"]["b"]["element"]["name"] == "[]"


async def test_what_a_reference_inserts_is_data_and_never_looked_at_again(call: Call) -> None:
    cmd = {"a": f"{ADD}{quote('$result[a][element][id]&fields[code]=x')}", "b": f"{ADD}$result[a][element][name]"}

    answer = await run(call, cmd)

    assert answer["result"]["a"]["element"]["name"] == "&fields[code]=x"
    assert answer["result"]["b"]["element"]["name"] == "&fields[code]=x"
    assert answer["result"]["b"]["element"]["code"] is None


async def test_references_to_flags_and_numbers_become_text(call: Call, image: ProductImage) -> None:
    get = f"catalog.productImage.get?productId={image.product_id}&id={image.id}"
    delete = f"catalog.productImage.delete?productId={image.product_id}&id={image.id}"

    answer = await run(call, {"get": get, "del": delete, "new": f"{ADD}$result[del]|$result[get][productImage][id]"})

    assert answer["result"]["new"]["element"]["name"] == f"1|{image.id}"


async def test_a_command_that_multiplies_earlier_text_is_refused_and_the_others_run(call: Call) -> None:
    text = "x" * 60_000
    make = f"{ADD}Mug&fields[detailText]={text}"
    twice = f"{ADD}Two&fields[detailText]=" + "$result[a][element][detailText]" * 2

    answer = await run(call, {"a": make, "b": twice, "c": f"{ADD}Three"})

    assert 2 * len(text) > MAX_INSERTED
    assert answer["result_error"] == {"b": {"error": "0", "error_description": "The references insert too much text"}}
    assert await names(call) == ["Mug", "Three"]


async def test_a_whole_batch_inserts_a_bounded_amount_of_text(call: Call) -> None:
    make = f"{ADD}Mug&fields[detailText]={'x' * 60_000}"
    copy = f"{ADD}Copy&fields[detailText]=$result[0][element][detailText]"

    answer = await run(call, [make, *[copy] * 49])

    assert len(answer["result"]) == 1 + 17  # sixteen times 64 KiB and no more
    assert len(answer["result_error"]) == 32


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
            st.from_regex(
                r"(catalog\.catalog\.list|scope)\?(\$result(\[[a-z0]{0,2}\]){0,3}|[a-z]=|&|\[|\]){0,6}", fullmatch=True
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
async def test_whatever_the_commands_are_each_has_a_result_or_an_error(call: Call, cmd: dict[str, str]) -> None:
    answer = await run(call, cmd)

    keys: list[str] = []
    for section in (answer["result"], answer["result_error"]):
        keys += section if isinstance(section, dict) else [str(index) for index in range(len(section))]
    assert sorted(keys) == sorted(cmd)


# Uploads


async def test_a_large_upload_inside_a_batch_arrives_whole(
    call: Call, client: httpx.AsyncClient, core: Core, admin: Principal
) -> None:
    product, data = await make_product(core, admin), pictures.png() + bytes(400_000)
    fields = {"fields[productId]": product, "fileContent[0]": "a.png", "fileContent[1]": b64encode(data).decode()}

    answer = await run(call, {"a": f"catalog.productImage.add?{urlencode(fields)}"})

    url = answer["result"]["a"]["productImage"]["downloadUrl"]
    assert (await client.get(url)).content == data


async def test_each_command_is_a_change_of_its_own(call: Call, product: int) -> None:
    good = urlencode({"fileContent[0]": "a.png", "fileContent[1]": b64encode(pictures.png()).decode()})
    bad = urlencode({"fileContent[0]": "a.png", "fileContent[1]": b64encode(b"no picture").decode()})
    add = f"catalog.productImage.add?fields[productId]={product}"

    answer = await run(call, [f"{add}&{good}", f"{add}&{bad}", f"{add}&{good}"])

    assert list(answer["result"]) == ["0", "2"]
    assert (await call(LIST, {"productId": product}))["total"] == 2


class TestQuotedCodes:
    """The setting for codes at the top level changes nothing inside."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(bitrix=BitrixSettings(error_codes="string"))

    async def test_codes_inside_are_text(self, call: Call, product: int) -> None:
        answer = await run(call, {"a": f"catalog.productImage.get?productId={product}&id=99"})

        assert json.dumps(answer["result_error"]["a"]["error"]) == '"0"'
