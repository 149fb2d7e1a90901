"""Adding catalogs, sections and properties: what goes together, and what is refused."""

import pytest

from build import make_account
from packshot.domain.access import Principal
from packshot.domain.catalogs import MORE_PHOTO, Property, Section, code_for
from packshot.domain.errors import Conflict, InvalidValue, MissingField, NotFound, PackshotError
from packshot.domain.paging import Condition, Query
from packshot.services import catalogs
from packshot.services.core import Core
from packshot.services.setup import Seed

BRAND = Property("BRAND", "Brand", "S", multiple=False)


async def codes_of(core: Core, caller: Principal, catalog_id: int) -> list[str]:
    query = Query([Condition("catalog_id", "=", (catalog_id,))])
    return [one.code for one in (await catalogs.list_properties(core, caller, query)).rows]


async def test_a_new_catalog_can_hold_pictures_and_one_of_variations_names_their_parents(
    core: Core, admin: Principal
) -> None:
    goods = await catalogs.add(core, admin.account_id, "Books")
    editions = await catalogs.add(core, admin.account_id, "Editions", goods)

    found = await catalogs.get(core, admin, editions)
    link = await catalogs.get_property(core, admin, found.link_property_id or 0)
    assert await codes_of(core, admin, goods) == [MORE_PHOTO]
    assert await codes_of(core, admin, editions) == [MORE_PHOTO, "CML2_LINK"]
    assert found.parent_catalog_id == link.link_catalog_id == goods
    assert (link.property_type, link.user_type, link.changed_at) == ("E", "SKU", core.now())


async def test_variations_have_one_catalog_and_none_of_their_own(core: Core, seed: Seed) -> None:
    for parent in (seed.catalog_id, seed.variations_id):
        with pytest.raises(Conflict):
            await catalogs.add(core, seed.account_id, "More", parent)

    assert [one.id for one in await catalogs.of_account(core, seed.account_id)] == [seed.catalog_id, seed.variations_id]


async def test_a_section_lies_on_the_top_level_or_in_one_of_its_catalog(core: Core, seed: Seed) -> None:
    top = await catalogs.add_section(core, seed.account_id, Section(seed.catalog_id, "Top", code=""))
    await catalogs.add_section(core, seed.account_id, Section(seed.catalog_id, "Inner", top, ""))

    for catalog_id, parent_id in ((seed.variations_id, top), (seed.catalog_id, 99)):
        with pytest.raises(NotFound):
            await catalogs.add_section(core, seed.account_id, Section(catalog_id, "Lost", parent_id))


async def test_a_code_is_one_of_a_kind_in_its_catalog_only(core: Core, seed: Seed) -> None:
    for catalog_id in (seed.catalog_id, seed.variations_id):
        await catalogs.add_section(core, seed.account_id, Section(catalog_id, "Garden", code="garden"))
        await catalogs.add_property(core, seed.account_id, catalog_id, BRAND)

        with pytest.raises(Conflict, match="garden"):
            await catalogs.add_section(core, seed.account_id, Section(catalog_id, "Yard", code="garden"))
        with pytest.raises(Conflict, match="BRAND"):
            await catalogs.add_property(core, seed.account_id, catalog_id, BRAND)


async def test_nothing_is_added_to_another_accounts_catalog(core: Core, seed: Seed) -> None:
    _, theirs = await make_account(core, "other")

    with pytest.raises(NotFound):
        await catalogs.add(core, seed.account_id, "Mine", theirs)
    with pytest.raises(NotFound):
        await catalogs.add_section(core, seed.account_id, Section(theirs, "Mine"))
    with pytest.raises(NotFound):
        await catalogs.add_property(core, seed.account_id, theirs, BRAND)


@pytest.mark.parametrize(("name", "refusal"), [("", MissingField), (" ", MissingField), ("x" * 256, InvalidValue)])
async def test_a_name_is_there_and_not_endless(name: str, refusal: type[PackshotError], core: Core, seed: Seed) -> None:
    with pytest.raises(refusal):
        await catalogs.add(core, seed.account_id, name)
    with pytest.raises(refusal):
        await catalogs.add_section(core, seed.account_id, Section(seed.catalog_id, name))
    with pytest.raises(refusal):
        await catalogs.add_property(core, seed.account_id, seed.catalog_id, Property("C", name, "S", multiple=False))


@pytest.mark.parametrize("code", ["", "1A", "A-B", "Ä", "A B", "x" * 51])
async def test_a_propertys_code_is_latin_letters_digits_and_underscores(code: str, core: Core, seed: Seed) -> None:
    with pytest.raises(InvalidValue):
        await catalogs.add_property(core, seed.account_id, seed.catalog_id, Property(code, "N", "S", multiple=False))


async def test_a_property_has_one_of_the_six_types(core: Core, seed: Seed) -> None:
    unknown = Property("C", "N", "Q", multiple=False)  # type: ignore[arg-type]

    with pytest.raises(InvalidValue, match="S, N, L, F, E, G"):
        await catalogs.add_property(core, seed.account_id, seed.catalog_id, unknown)


@pytest.mark.parametrize(
    ("name", "code"), [("Brand", "BRAND"), ("Country of origin ", "COUNTRY_OF_ORIGIN"), ("x" * 60, "X" * 50)]
)
def test_a_code_is_made_from_the_name(name: str, code: str) -> None:
    assert code_for(name) == code


@pytest.mark.parametrize("name", ["цвет", "", "2 sides"])
def test_where_no_code_can_be_made_one_has_to_be_given(name: str) -> None:
    with pytest.raises(InvalidValue):
        code_for(name)
