"""What a call asks of the database does not grow with the store: no statement walks a table."""

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

import pictures
from build import Clock, fail_loudly, make_image, make_product
from hooked import Hooked
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.paging import Condition, Ordering, Query
from packshot.domain.products import FIELDS, Kind
from packshot.services import access, images, products, setup, upkeep
from packshot.services.core import Core
from packshot.storage import credentials, database
from packshot.storage import images as image_rows
from packshot.storage.database import connect

SHIRT = pictures.png()
SIMPLE = (Kind.SIMPLE,)

Statements = list[tuple[str, Any]]
Use = Callable[[Core, Principal, int, int], Awaitable[object]]


class Recorded(Hooked):
    """A connection that writes down what it is asked, with the values."""

    def __init__(self, real: sqlite3.Connection, statements: Statements) -> None:
        super().__init__(real, lambda _sql, _connection: None)
        self._statements = statements

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self._statements.append((sql, values))
        return super().execute(sql, values)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Everything that reader and writer are asked, in order."""
    asked: Statements = []

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        return cast("sqlite3.Connection", Recorded(connect(path, read_only=read_only), asked))

    monkeypatch.setattr(database, "connect", opened)
    return asked


@pytest.fixture
async def watched(statements: Statements, tmp_path: Path, clock: Clock) -> AsyncIterator[Core]:
    del statements
    async with app.open_core(tmp_path / "data", Settings(), fail_loudly, clock) as core:
        yield core


def walks(path: Path, statements: Statements) -> list[str]:
    """Statements whose plan reads a whole table, or sorts what it read, with that step."""
    connection = connect(path)
    found = []
    for sql, values in statements:
        if not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", sql):
            continue
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]
        found += [f"{step}: {sql}" for step in steps if re.match(r"SCAN (?!CONSTANT ROW)|USE TEMP B-TREE", step)]
    connection.close()
    return found


async def look_up_original(core: Core, caller: Principal, _: int, image_id: int) -> None:
    """What both kinds of addresses ask."""
    assert await credentials.webhook_is_valid(core.db, caller.account_id, caller.credential_id, core.now())
    assert await image_rows.find_original(core.db, caller.account_id, image_id)
    assert await image_rows.find_original_at(core.db, "no such address") is None


BY_CATALOG = Condition("catalog_id", "=", (1,))
USES: dict[str, Use] = {
    "image add": lambda core, caller, product_id, _: make_image(core, caller, product_id, pictures.png(9, 9)),
    "image add of known bytes": lambda core, caller, product_id, _: make_image(core, caller, product_id, SHIRT),
    "image replaced": lambda core, caller, product_id, _: make_image(core, caller, product_id, SHIRT, "detail"),
    "image get": images.get,
    "image list": lambda core, caller, product_id, _: images.list_of_product(core, caller, product_id, Query(limit=1)),
    "image delete": images.remove_from_product,
    "download": look_up_original,
    "product get": lambda core, caller, product_id, _: products.get(core, caller, product_id, SIMPLE),
    "product update": lambda core, caller, product_id, _: products.update(
        core, caller, product_id, SIMPLE, {"code": "x"}
    ),
    "product delete": lambda core, caller, product_id, _: products.remove(core, caller, product_id, SIMPLE),
    "product list": lambda core, caller, *_: products.list_all(
        core, caller, SIMPLE, FIELDS, Query([BY_CATALOG], limit=1)
    ),
    "product list by cursor": lambda core, caller, *_: products.list_all(
        core, caller, SIMPLE, FIELDS, Query([BY_CATALOG, Condition("id", ">", (5,))], [Ordering("id")], counted=False)
    ),
    "a new webhook": lambda core, caller, *_: access.create_webhook(core, setup.ACCOUNT, caller.user_id, setup.SCOPES),
    "upkeep": lambda core, *_: upkeep.run_once(core),
}  # fmt: skip


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
