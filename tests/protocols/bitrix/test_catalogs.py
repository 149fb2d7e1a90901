"""Catalogs, sections and properties at the door (sheet 4.4 to 4.8): what is found, what is refused, and how."""

from typing import Any

import httpx
import pytest

from build import Call, make_account
from packshot.config import Settings
from packshot.domain.catalogs import Property, Section
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.services import access, catalogs
from packshot.services.core import Core
from packshot.services.setup import Seed
from packshot.storage import accounts

CATALOG, SECTION, PROPERTY = "catalog.catalog", "catalog.section", "catalog.productProperty"


@pytest.fixture
async def sections(core: Core, seed: Seed) -> dict[str, int]:
    """Garden with Pots in it, and Каталог, in the catalog of products; Sizes in that of variations."""
    made: dict[str, int] = {}

    async def make(new: Section) -> None:
        made[new.name] = await catalogs.add_section(core, seed.account_id, new)

    await make(Section(seed.catalog_id, "Garden", code="garden", sort=300))
    await make(Section(seed.catalog_id, "Pots", parent_id=made["Garden"], xml_id="out-7", active=False))
    await make(Section(seed.catalog_id, "Каталог", description="Всё"))
    await make(Section(seed.variations_id, "Sizes"))
    return made


# One of them


async def test_is_offers_says_which_catalog_holds_variations(call: Call, seed: Seed) -> None:
    assert (await call(f"{CATALOG}.isOffers", {"id": seed.catalog_id}))["result"] is False
    assert (await call(f"{CATALOG}.isOffers", {"ID": str(seed.variations_id)}))["result"] is True


@pytest.mark.parametrize(
    ("method", "code", "sentence"),
    [
        (f"{CATALOG}.get", 0, "The trade catalog with the specified identifier does not exist"),
        (f"{CATALOG}.isOffers", 0, "The trade catalog with the specified identifier does not exist"),
        (f"{SECTION}.get", 200700300030, "The catalog section with the specified identifier does not exist"),
        (f"{PROPERTY}.get", "", "productProperty does not exist."),
    ],
)
@pytest.mark.parametrize("wanted", [999, 0, -1, "99999999999"])
async def test_what_is_not_there_has_the_code_of_its_page(
    method: str, code: Any, sentence: str, wanted: Any, call: Call
) -> None:
    refused = await call(method, {"id": wanted}, status=400)

    assert refused == {"error": code, "error_description": sentence}


@pytest.mark.parametrize("method", [f"{CATALOG}.get", f"{CATALOG}.isOffers", f"{SECTION}.get", f"{PROPERTY}.get"])
@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "Could not find value for parameter {id}"),
        ({"id": ""}, "Could not find value for parameter {id}"),
        ({"id": "one"}, "Invalid value {one} to match with parameter {id}. Should be value of type int."),
    ],
)
async def test_an_id_that_is_none_is_code_100(method: str, params: Any, sentence: str, call: Call) -> None:
    assert await call(method, params, status=400) == {"error": 100, "error_description": sentence}


class TestWithCodesAsText:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(bitrix=BitrixSettings(error_codes="string"))

    async def test_an_empty_code_stays_empty(self, call: Call) -> None:
        refused = await call(f"{PROPERTY}.get", {"id": 999}, status=400)

        assert refused["error"] == ""

    async def test_a_code_of_digits_is_quoted(self, call: Call) -> None:
        refused = await call(f"{SECTION}.get", {"id": 999}, status=400)

        assert refused["error"] == "200700300030"


async def test_another_accounts_catalogs_sections_and_properties_are_not_there(
    core: Core, call: Call, sections: dict[str, int]
) -> None:
    other, catalog_id = await make_account(core, "other")
    section_id = await catalogs.add_section(core, other.account_id, Section(catalog_id, "Theirs"))
    property_id = await catalogs.add_property(
        core, other.account_id, catalog_id, Property("THEIRS", "Theirs", "S", multiple=False)
    )

    for method, wanted in ((CATALOG, catalog_id), (SECTION, section_id), (PROPERTY, property_id)):
        await call(f"{method}.get", {"id": wanted}, status=400)
    for method, key in ((CATALOG, "catalogs"), (SECTION, "sections"), (PROPERTY, "productProperties")):
        for filter_ in ({"iblockId": catalog_id}, {"!iblockId": -1}):
            rows = (await call(f"{method}.list", {"filter": filter_}))["result"][key]
            assert "Theirs" not in {row["name"] for row in rows}
            assert "other" not in {row["name"] for row in rows}
    assert (await call(f"{SECTION}.get", {"id": sections["Garden"]}))["result"]["section"]["name"] == "Garden"


async def test_who_may_not_look_is_told_so_but_everybody_may_ask_what_a_section_has(
    core: Core, client: httpx.AsyncClient, seed: Seed
) -> None:
    stranger = await core.db.write(lambda tx: accounts.add_user(tx, seed.account_id, "none", core.now()))
    code = await access.create_webhook(core, "main", stranger, frozenset({"catalog"}))

    async def ask(method: str) -> httpx.Response:
        return await client.post(f"/rest/{stranger}/{code}/{method}", json={"id": 1, "filter": {"iblockId": 1}})

    for object_ in (CATALOG, SECTION, PROPERTY):
        for verb in ("get", "list"):
            refused = await ask(f"{object_}.{verb}")
            assert refused.status_code == 400, f"{object_}.{verb}"
            assert refused.json()["error_description"] == "Access Denied"
    assert (await ask(f"{SECTION}.getFields")).status_code == 200


# Lists


@pytest.mark.parametrize("filter_", [None, {}, {"name": "Garden"}])
async def test_a_list_of_sections_has_to_name_its_catalog(filter_: Any, call: Call) -> None:
    refused = await call(f"{SECTION}.list", {"filter": filter_}, status=400)

    assert refused == {"error": 0, "error_description": "Required filter fields: iblockId"}


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ({}, ["Garden", "Pots", "Каталог"]),
        ({"%name": "КАТАЛ"}, ["Каталог"]),
        ({"name": "каталог"}, []),
        ({"iblockSectionId": None}, ["Garden", "Каталог"]),
        ({"iblockSectionId": False}, ["Garden", "Каталог"]),
        ({"!IBLOCK_SECTION_ID": ""}, ["Pots"]),
        ({"active": "N"}, ["Pots"]),
        ({"!active": "N"}, ["Garden", "Каталог"]),
        ({"<sort": 500}, ["Garden"]),
        ({"@sort": [300, "500"], "!code": "garden"}, ["Pots", "Каталог"]),
        ({"!@code": ["garden"]}, ["Pots", "Каталог"]),
        ({"xmlId": "out-7"}, ["Pots"]),
        ({"=%xmlId": "OUT%"}, ["Pots"]),
        ({"!=%xmlId": "out%"}, ["Garden", "Каталог"]),
        ({"description": "Всё"}, ["Каталог"]),
    ],
)
async def test_sections_are_filtered_by_their_fields(
    filter_: Any, names: list[str], call: Call, seed: Seed, sections: dict[str, int]
) -> None:
    answer = await call(f"{SECTION}.list", {"filter": {"iblockId": seed.catalog_id} | filter_, "select": ["name"]})

    assert answer["result"]["sections"] == [{"name": name} for name in names]
    assert answer["total"] == len(names)
    assert sections


@pytest.mark.parametrize(
    ("params", "codes"),
    [
        ({}, ["MORE_PHOTO", "MORE_PHOTO", "CML2_LINK"]),
        ({"order": {"ID": "DESC"}}, ["CML2_LINK", "MORE_PHOTO", "MORE_PHOTO"]),
        ({"order": {"code": "ASC", "id": "desc"}}, ["CML2_LINK", "MORE_PHOTO", "MORE_PHOTO"]),
        ({"filter": {"iblockId": 2}}, ["MORE_PHOTO", "CML2_LINK"]),
        ({"filter": {"iblockId": 77}}, []),
        ({"filter": {"propertyType": "F", "multiple": "Y", "iblockId": 1}}, ["MORE_PHOTO"]),
        ({"filter": {"!multiple": "Y"}}, ["CML2_LINK"]),
        ({"filter": {"%CODE": "photo"}, "start": 1}, ["MORE_PHOTO"]),
        ({"filter": {">timestampX": "2999-01-01"}}, []),
        ({"filter": {"userTypeSettings": "x"}}, ["MORE_PHOTO", "MORE_PHOTO", "CML2_LINK"]),
    ],
)
async def test_properties_are_those_of_all_catalogs_or_of_one(params: Any, codes: list[str], call: Call) -> None:
    answer = await call(f"{PROPERTY}.list", params)

    assert [row["code"] for row in answer["result"]["productProperties"]] == codes


@pytest.mark.parametrize("name", ["filter", "select", "order"])
async def test_a_list_whose_parameter_is_no_list_is_code_100(name: str, call: Call) -> None:
    refused = await call(f"{PROPERTY}.list", {name: "id"}, status=400)

    assert refused == {
        "error": 100,
        "error_description": f"Invalid value {{id}} to match with parameter {{{name}}}. Should be value of type array.",
    }


async def test_sections_come_in_pages_of_fifty(core: Core, call: Call, seed: Seed) -> None:
    for number in range(51):
        await catalogs.add_section(core, seed.account_id, Section(seed.catalog_id, f"Shelf {number}"))
    filter_ = {"iblockId": seed.catalog_id}

    first = await call(f"{SECTION}.list", {"filter": filter_})
    second = await call(f"{SECTION}.list", {"filter": filter_, "start": first["next"]})
    uncounted = await call(f"{SECTION}.list", {"filter": filter_ | {">ID": 50}, "start": -1})

    assert [len(page["result"]["sections"]) for page in (first, second, uncounted)] == [50, 1, 1]
    assert (first["total"], second["total"], "next" in second) == (51, 51, False)
    assert uncounted.keys() == {"result", "time"}


@pytest.mark.parametrize(
    ("object_", "key"), [(CATALOG, "catalog"), (SECTION, "section"), (PROPERTY, "productProperty")]
)
async def test_get_fields_names_just_the_fields_that_get_shows(
    object_: str, key: str, call: Call, sections: dict[str, int]
) -> None:
    described = (await call(f"{object_}.getFields"))["result"][key]
    shown = (await call(f"{object_}.get", {"id": 1}))["result"][key]

    assert described.keys() == shown.keys()
    assert {frozenset(field) for field in described.values()} == {
        frozenset({"isImmutable", "isReadOnly", "isRequired", "type"})
    }
    assert sections
