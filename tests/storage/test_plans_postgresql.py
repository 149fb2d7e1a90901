"""The same on PostgreSQL: no statement reads a large table whole, whatever the plan was made for."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

import pictures
import postgres
from build import Clock, believing, fail_loudly, make_image, make_inventory_product, make_product
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.audit import Sought
from packshot.domain.libraries import Wanted
from packshot.domain.paging import Query
from packshot.domain.products import FIELDS, Kind
from packshot.services import audit, handlers, images, libraries, products, restoring, setup
from packshot.services.core import Core
from packshot.services.product_parts import NewValues, Parts, Text
from packshot.storage import blob_rows, outbox, trash
from packshot.storage.database import DatabaseSettings
from uses import LISTS, SHIRT, SIMPLE, USES, Use

Statements = list[tuple[str, tuple[Any, ...]]]
Connection: TypeAlias = "asyncpg.Connection[Any]"

FEW, ROWS = 2_000, 20_000
LARGE: dict[str, dict[str, str]] = {
    "product": {
        "name": "'Product ' || n", "name_folded": "'product ' || n", "code": "'product-' || n", "xml_id": "n::text",
        "section_id": "NULL",
    },
    "blob": {
        "digest": "lpad(to_hex(n), 64, '0')", "key": "lpad(to_hex(n), 64, '0') || '.' || lpad(to_hex(n), 16, '0')",
    },
    "image": {
        "guid": "lpad(to_hex(n), 8, '0') || '-0000-4000-8000-000000000000'", "product_id": "n", "blob_id": "n",
        "address": "lpad(to_hex(n % 4096), 3, '0') || '/' || lpad(n::text, 32, '0')",
        "title": "'Dunes ' || n * 7919 % 100003", "name": "n * 104729 % 100003 || '.jpg'",
        "created_at": "created_at + n", "size_bytes": "n * 31 % 100003", "searched": "'dunes ' || n",
    },
    "inventory_product": {
        "image_id": "n", "guid": "'sold ' || n", "sku": "'sku ' || n", "name": "'Print ' || n", "created_at": "n",
    },
    "property_value": {"product_id": "n", "text": "n::text"},
    "audit": {"image_id": "n", "guid": "'guid ' || n", "request_id": "'request ' || n"},
    "deletion": {"deleted_at": "deleted_at + n"},
    "trash": {"deletion_id": "n", "item_id": "n", "name": "'item ' || n", "blob_id": "n"},
    "outbox": {"product_id": "n", "state": "'delivered'", "next_at": "NULL", "created_at": "created_at + n"},
}  # fmt: skip
"""The tables that grow with a shop, and what is different in each of their rows, numbered n."""


async def scrub(core: Core, *_: object) -> None:
    """What a scrub asks before it reads the bytes, and what a repair asks."""
    blobs = await blob_rows.walk(core.db, FEW // 2, 500)
    assert await blob_rows.find(core.db, blobs[0].key) == blobs[0]
    assert await blob_rows.of_corrupt(core.db, 0, 500) == []
    assert await blob_rows.count_corrupt(core.db) == 0


async def look_around(core: Core, caller: Principal, *_: object) -> None:
    """What lists ask: of events, of deletions, of what was done, and the pages of a library in each order."""
    await outbox.next_receiver(core.db, 0)
    await outbox.of_due(core.db, 1, core.now(), 10)
    await outbox.of_undelivered(core.db, 0, 10)
    newest = (await restoring.of_deletions(core, caller))[0]
    await trash.of_items(core.db, caller.account_id, newest.id)
    await audit.of_entries(core, caller, Sought(), 9)
    await audit.of_entries(core, caller, Sought(request_id="request 700"), 9)
    for sort in ("id", "title", "name", "size_bytes", "created_at"):
        for descending in (True, False):
            await libraries.list_images(core, caller, Wanted(sort=sort, descending=descending))


def find_products(query: Query) -> Use:
    return lambda core, caller, *_: products.list_all(core, caller, SIMPLE, FIELDS, query)


# A scrub of all rows would look for bytes that were never there.
ASKED: dict[str, Use] = (
    {name: use for name, use in USES.items() if name != "scrub"}
    | {"scrub": scrub, "lists": look_around}
    | {f"products {name}": find_products(query) for name, query in LISTS.items()}
)

OF_AN_ACCOUNT = re.compile(r"UPDATE account SET quota_bytes|UPDATE outbox SET data = replace")
"""What goes through all that an account has, by command: where there is one account, that is the table."""

UNCOUNTED = ("image get", "image list", "download", "product get", "product list by cursor", "audit", "scrub")
"""What counts nothing, and so touches no more of a larger table than of a small one, but for an index's depth."""


async def fill(connection: Connection, first: int, last: int) -> None:
    """Rows with these ids in each of the large tables, like its first one but for what has to be different."""
    for table, made in LARGE.items():
        asked = "SELECT column_name::text FROM information_schema.columns WHERE table_name = $1"
        names = [row[0] for row in await connection.fetch(asked, table)]
        chosen = {"id": "n"} | made
        await connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(chosen.get(name, name) for name in names)}"
            f" FROM {table}, generate_series({first}, {last}) n WHERE id = (SELECT min(id) FROM {table})"
        )
        await connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last + 1000})")
    await connection.execute("VACUUM ANALYZE")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Everything that the database is asked, with the values."""
    asked: Statements = []
    make = asyncpg.create_pool

    def write_down(query: Any) -> None:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", query.query):
            asked.append((query.query, query.args))

    def create_pool(*arguments: Any, init: Any, **options: Any) -> Any:
        async def begin(connection: Any) -> None:
            await init(connection)
            connection.add_query_logger(write_down)

        return make(*arguments, init=begin, **options)

    monkeypatch.setattr(asyncpg, "create_pool", create_pool)
    return asked


@pytest.fixture
def url() -> str:
    return postgres.new()


@pytest.fixture
async def watched(statements: Statements, url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Core]:
    del statements
    settings = believing(Settings(database=DatabaseSettings(url=url)))
    async with app.open_core(tmp_path / "data", settings, fail_loudly, clock) as core:
        yield core


@pytest.fixture
async def connection(watched: Core, url: str) -> AsyncIterator[Connection]:
    """One beside those of the store, which is at the newest step."""
    del watched
    opened = await asyncpg.connect(url)
    yield opened
    await opened.close()


@pytest.fixture
async def caller(watched: Core) -> Principal:
    """The administrator of a store with a row in each of the large tables."""
    seed = await setup.create_account(watched)
    assert seed is not None
    caller = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
    text = Parts({}, {77: NewValues((Text("x"),), multiple=False)}, ())
    product = await products.add(watched, caller, Kind.SIMPLE, {"catalog_id": 1, "name": "x"}, text)
    product_id = int(str(product.fields["id"]))
    image = await make_image(watched, caller, product_id, SHIRT)
    await make_inventory_product(watched, caller, image.guid)
    await handlers.add_webhook(watched, setup.ACCOUNT, "https://9.9.9.9/", ["CATALOG.PRODUCT.ON.UPDATE"])
    await products.update(watched, caller, product_id, SIMPLE, {"name": "y"})
    gone = await make_image(watched, caller, product_id, pictures.png(5, 5))
    await images.remove_from_product(watched, caller, product_id, gone.id)
    return caller


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


async def plans_of(connection: Connection, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """The plan for these values, and the one for any, which the server may come to after some uses."""
    plans = [await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values)]
    # Of unknown limits a tenth of the table is expected: such plans are dearer than those for values, and not taken.
    if values and "LIMIT $" not in sql:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE asked AS {sql}")
        nothing = ", ".join("NULL" for _ in values)
        plans += [await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked ({nothing})")]
        await connection.execute("DEALLOCATE asked")
    return [json.loads(plan)[0]["Plan"] for plan in plans]


async def walks(connection: Connection, statements: Statements) -> list[str]:
    """Large tables that one of the statements reads whole, with that statement."""
    return [
        f"{node['Relation Name']}: {sql}"
        for sql, values in dict(statements).items()
        if not OF_AN_ACCOUNT.match(sql)
        for plan in await plans_of(connection, sql, values)
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
    ]


async def test_no_statement_reads_a_large_table_whole(
    watched: Core, caller: Principal, statements: Statements, connection: Connection, clock: Clock
) -> None:
    await fill(connection, 100, ROWS)
    found = {}

    for name, use in ASKED.items():
        product_id = await make_product(watched, caller, name)
        gone = await make_image(watched, caller, product_id, pictures.png(5, 5))
        await images.remove_from_product(watched, caller, product_id, gone.id)
        image = await make_image(watched, caller, product_id, SHIRT)
        clock.advance(4_000)
        statements.clear()
        await use(watched, caller, product_id, image.id)
        assert statements, name
        found[name] = await walks(connection, statements)

    assert {name: steps for name, steps in found.items() if steps} == {}


async def blocks_of(connection: Connection, statements: Statements) -> int:
    """How many blocks of 8 KB these reads look at."""
    count = 0
    for sql, values in statements:
        asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
        await connection.fetchval(asked, *values)  # which also reads the catalog
        plan = json.loads(await connection.fetchval(asked, *values))[0]["Plan"]
        count += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return count


async def test_reads_touch_no_more_of_a_large_store_than_of_a_small_one(
    watched: Core, caller: Principal, statements: Statements, connection: Connection
) -> None:
    product_id = await make_product(watched, caller)
    image = await make_image(watched, caller, product_id, SHIRT)
    taken: dict[str, list[int]] = {name: [] for name in UNCOUNTED}

    for first, last in ((100, FEW), (FEW + 1_001, ROWS)):
        await fill(connection, first, last)
        for name, blocks in taken.items():
            statements.clear()
            await ASKED[name](watched, caller, product_id, image.id)
            blocks.append(await blocks_of(connection, statements))

    assert all(many <= few + few // 4 + 4 for few, many in taken.values()), taken
