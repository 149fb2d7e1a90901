"""Rows of products: what is set is read back, by its own account only."""

import pytest

from build import make_account, make_product
from packshot.domain.access import Principal
from packshot.domain.catalogs import Section
from packshot.domain.errors import Conflict
from packshot.domain.paging import Condition, Ordering, Query
from packshot.domain.products import DEFAULTS, FIELDS, Fields, Kind
from packshot.services.core import Core
from packshot.storage import catalogs, products

SIMPLE = (Kind.SIMPLE,)
ALL = tuple(Kind)


def row(name: str, **more: str | float | None) -> Fields:
    """The least that a row needs."""
    made: Fields = {"catalog_id": 1, "kind": Kind.SIMPLE, "name": name, "created_by": 1, "modified_by": 1}
    return DEFAULTS | made | {"created_at": 5, "changed_at": 5} | more


async def insert(core: Core, account_id: int, fields: Fields) -> int:
    return await core.db.write(lambda tx: products.add_product(tx, account_id, fields))


async def names(core: Core, account_id: int, *conditions: Condition) -> list[str]:
    query = Query(conditions, [Ordering("name")])
    page = await products.list_products(core.db, account_id, SIMPLE, ("name",), query)
    return [str(fields["name"]) for fields in page.rows]


async def test_every_field_is_read_back_as_it_was_set(core: Core, admin: Principal) -> None:
    values: Fields = {
        "integer": 1,
        "number": 2.5,
        "text": "text",
        "flag": 1,
        "mode": 2,
        "moment": 1_800_000_000_000_000,
    }
    wanted: Fields = {name: values[kind] for name, kind in FIELDS.items() if name not in {"id", "kind", "parent_id"}}
    section_id = await core.db.write(lambda tx: catalogs.add_section(tx, admin.account_id, Section(1, "Tops"), 5))
    assert section_id == wanted["section_id"]

    product_id = await insert(core, admin.account_id, row("x") | wanted)

    found = await products.find_product(core.db, admin.account_id, product_id, SIMPLE)
    assert found == {**wanted, "id": product_id, "kind": 1, "parent_id": None}


async def test_a_list_has_just_the_fields_asked_for_in_their_own_order(core: Core, admin: Principal) -> None:
    product_id = await insert(core, admin.account_id, row("Shirt"))

    page = await products.list_products(core.db, admin.account_id, SIMPLE, {"name", "id", "no such field"}, Query())

    assert [list(fields.items()) for fields in page.rows] == [[("id", product_id), ("name", "Shirt")]]


async def test_an_outer_id_that_nobody_gave_is_the_id(core: Core, admin: Principal) -> None:
    given = await insert(core, admin.account_id, row("a", xml_id="mine"))
    made = await insert(core, admin.account_id, row("b"))

    found = [await products.find_product(core.db, admin.account_id, number, SIMPLE) for number in (given, made)]

    assert [fields["xml_id"] for fields in found if fields] == ["mine", str(made)]


async def test_a_new_name_is_found_in_any_case_and_the_old_one_no_more(core: Core, admin: Principal) -> None:
    product_id = await insert(core, admin.account_id, row("Ärmel"))
    assert await names(core, admin.account_id, Condition("name", "contains", ("ÄRM",))) == ["Ärmel"]

    await core.db.write(lambda tx: products.update_product(tx, admin.account_id, product_id, {"name": "Straße"}))

    assert await names(core, admin.account_id, Condition("name", "contains", ("STRASSE",))) == ["Straße"]
    assert await names(core, admin.account_id, Condition("name", "contains", ("ärm",))) == []


async def test_an_update_changes_what_it_names_and_nothing_else(core: Core, admin: Principal) -> None:
    first, second = [await insert(core, admin.account_id, row(name)) for name in ("a", "b")]
    before = await products.find_product(core.db, admin.account_id, first, SIMPLE)
    other = await products.find_product(core.db, admin.account_id, second, SIMPLE)

    await core.db.write(
        lambda tx: products.update_product(tx, admin.account_id, first, {"sort": 7, "no such field": 1})
    )

    assert before is not None
    assert await products.find_product(core.db, admin.account_id, first, SIMPLE) == before | {"sort": 7}
    assert await products.find_product(core.db, admin.account_id, second, SIMPLE) == other


async def test_a_code_is_used_once_in_a_catalog(core: Core, admin: Principal) -> None:
    await insert(core, admin.account_id, row("a", code="shirt"))
    await insert(core, admin.account_id, row("b", code="shirt", catalog_id=2))
    await insert(core, admin.account_id, row("c"))

    with pytest.raises(Conflict):
        await insert(core, admin.account_id, row("d", code="shirt"))

    await insert(core, admin.account_id, row("d"))  # any number may have none
    assert await names(core, admin.account_id) == ["a", "b", "c", "d"]


async def test_a_product_of_another_kind_is_not_there(core: Core, admin: Principal) -> None:
    product_id = await insert(core, admin.account_id, row("x", kind=Kind.SERVICE))

    assert await products.find_product(core.db, admin.account_id, product_id, SIMPLE) is None
    assert await products.find_product(core.db, admin.account_id, product_id, ALL) is not None
    assert await names(core, admin.account_id) == []


async def test_another_accounts_products_are_not_there(core: Core, admin: Principal) -> None:
    other, catalog_id = await make_account(core, "other")
    theirs = await make_product(core, other, catalog_id=catalog_id)

    assert await products.find_product(core.db, admin.account_id, theirs, ALL) is None
    assert await products.find_catalog_of(core.db, admin.account_id, theirs) is None
    assert await names(core, admin.account_id) == []
    assert not await core.db.write(lambda tx: products.remove_product(tx, admin.account_id, theirs))
    assert await products.find_product(core.db, other.account_id, theirs, ALL) is not None


async def test_variations_go_with_their_parent(core: Core, admin: Principal) -> None:
    parent = await insert(core, admin.account_id, row("parent", kind=Kind.PARENT))
    child = await insert(core, admin.account_id, row("child", kind=Kind.VARIATION, parent_id=parent, catalog_id=2))

    assert await core.db.write(lambda tx: products.remove_product(tx, admin.account_id, parent))

    assert await products.find_product(core.db, admin.account_id, child, ALL) is None


async def test_ids_are_never_used_twice(core: Core, admin: Principal) -> None:
    first = await insert(core, admin.account_id, row("a"))
    await core.db.write(lambda tx: products.remove_product(tx, admin.account_id, first))

    assert await insert(core, admin.account_id, row("b")) > first


async def test_a_product_loses_the_section_that_goes_and_nothing_else(core: Core, admin: Principal) -> None:
    section_id = await core.db.write(lambda tx: catalogs.add_section(tx, admin.account_id, Section(1, "Tops"), 5))
    product_id = await insert(core, admin.account_id, row("Shirt", section_id=section_id))
    await core.db.write(lambda tx: products.set_sections(tx, product_id, [section_id]))

    await core.db.write(lambda tx: tx.run("DELETE FROM section"))

    found = await products.find_product(core.db, admin.account_id, product_id, SIMPLE)
    assert found
    assert found["section_id"] is None
    assert await core.db.all("SELECT 1 FROM product_section") == []


async def test_a_product_stands_in_no_section_that_is_not_there(core: Core, admin: Principal) -> None:
    with pytest.raises(Conflict):
        await insert(core, admin.account_id, row("Shirt", section_id=4_711))
