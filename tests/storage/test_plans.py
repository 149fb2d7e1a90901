"""What a call asks of the database does not grow with the store: no statement walks a table."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import pictures
from build import Clock, make_image, make_library_images, make_product
from packshot.domain.access import Principal
from packshot.domain.catalogs import Section
from packshot.domain.paging import Ordering, Query
from packshot.domain.products import FIELDS, Kind
from packshot.services import (
    catalogs,
    images,
    libraries,
    products,
    setup,
)
from packshot.services.core import Core
from packshot.storage.migrations import prepare
from packshot.storage.sqlite import connect
from plans import Statements, measure, multiply, walks
from uses import BY_CATALOG, LISTS, SHIRT, SIMPLE, USES


@pytest.mark.parametrize("name", USES)
async def test_no_statement_walks_a_table(
    watched: Core, statements: Statements, tmp_path: Path, clock: Clock, name: str
) -> None:
    seed = await setup.create_account(watched)
    assert seed is not None
    caller = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
    product_id = await make_product(watched, caller)
    gone = await make_image(watched, caller, product_id, pictures.png(5, 5))
    await images.remove_from_product(watched, caller, product_id, gone.id)
    image = await make_image(watched, caller, product_id, SHIRT)
    clock.advance(4_000)
    statements.clear()

    await USES[name](watched, caller, product_id, image.id)

    assert statements
    assert walks(tmp_path / "data" / "packshot.sqlite3", statements) == []


async def test_a_deletion_asks_as_much_for_one_image_as_for_five_hundred(watched: Core, statements: Statements) -> None:
    seed = await setup.create_account(watched)
    assert seed is not None
    caller = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
    asked = []

    for guids in (await make_library_images(watched, caller, 1), await make_library_images(watched, caller, 500)):
        statements.clear()
        await libraries.remove_images(watched, caller, guids, None)
        asked.append(len(statements))

    assert asked[0] == asked[1]


def stock_up(path: Path, count: int) -> None:
    """So many products like the first one, each with a name and a code of its own."""
    connection = connect(path)
    multiply(
        connection,
        "product",
        count,
        {
            "name": "'Product ' || n",
            "name_folded": "'product ' || n",
            "code": "'product-' || n",
            "xml_id": "n",
            "section_id": "NULL",
        },
    )
    connection.execute(
        "INSERT INTO property_value (account_id, product_id, property_id, multiple, text)"
        " SELECT account_id, id, 77, 0, id FROM product WHERE id > 1"
    )
    connection.close()


async def test_finding_products_takes_no_more_work_among_a_hundred_thousand_than_among_a_thousand(
    watched: Core, statements: Statements, tmp_path: Path
) -> None:
    seed = await setup.create_account(watched)
    assert seed is not None
    caller = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
    section_id = await catalogs.add_section(watched, caller.account_id, Section(1, "Tops"))
    await products.add(watched, caller, Kind.SIMPLE, {"catalog_id": 1, "name": "x", "section_id": section_id})

    def find(query: Query, kinds: tuple[Kind, ...] = SIMPLE) -> Callable[[], Awaitable[object]]:
        async def act() -> None:
            page = await products.list_all(watched, caller, kinds, FIELDS, query)
            assert bool(page.rows) == (kinds == SIMPLE), query

        return act

    acts = {name: find(query) for name, query in LISTS.items()}
    acts["of others, in the order of names"] = find(Query([BY_CATALOG], [Ordering("name")]), (Kind.SERVICE,))

    taken = await measure(statements, tmp_path / "data" / "packshot.sqlite3", acts, stock_up)

    assert all(many <= few + few // 4 + 2 for few, many in taken.values()), taken


async def test_deleting_a_product_takes_no_more_work_among_a_hundred_thousand_than_among_a_thousand(
    watched: Core, statements: Statements, tmp_path: Path
) -> None:
    seed = await setup.create_account(watched)
    assert seed is not None
    caller = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
    await make_product(watched, caller)

    async def delete() -> None:
        await products.remove(watched, caller, 700, SIMPLE)
        # The same statements are then measured with the next product, since this one is gone.
        statements[:] = [(sql, tuple(701 if value == 700 else value for value in values)) for sql, values in statements]

    taken = await measure(statements, tmp_path / "data" / "packshot.sqlite3", {"delete": delete}, stock_up)

    few, many = taken["delete"]
    assert many <= few + few // 4 + 2, taken
    assert (await watched.db.all("SELECT id FROM product WHERE id IN (699, 700, 701, 702)")) == [(699,), (702,)]


def test_nothing_that_goes_along_with_a_row_is_searched_for_without_an_index(tmp_path: Path) -> None:
    """Every foreign key has an index, partial ones included where they serve."""
    prepare(tmp_path / "db")
    connection = connect(tmp_path / "db")

    walked = [
        f"{table}: {row[3]}"
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%id INTEGER PRIMARY KEY%'")
        for row in connection.execute(f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE rowid = 1").fetchall()
        if row[3].startswith("SCAN")
    ]

    connection.close()
    assert walked == ["account: SCAN blob"]  # once for a whole account, whose blobs all have to go before
