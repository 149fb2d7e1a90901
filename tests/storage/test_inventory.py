"""Products of the virtual inventory are found through indexes, however many others there are."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from packshot.domain.paging import Condition, Ordering, Query
from packshot.storage import inventory
from packshot.storage.database import Dialect, Row, Tx
from packshot.storage.migrations import prepare
from packshot.storage.sqlite import connect

NEWEST = [Ordering("id", descending=True)]
FILTERS = {
    "skus": Condition("sku", "=", tuple(f"AP1P{number}" for number in range(500, 550))),
    "product codes": Condition("product_code", "=", ("code-700", "code-701")),
    "images": Condition("image_guid", "=", tuple(f"guid-{number}" for number in range(500, 550))),
    "ids in shops": Condition("link", "=", ("700", "701")),
}


class Watched:
    """Answers queries, and notes their plans and what they took in hundreds of the database's steps."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []
        self.steps = 0

    async def all(self, sql: str, *values: Any) -> list[Row]:
        self.plans += [row[3] for row in self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]
        self._connection.set_progress_handler(self._count, 100)
        rows = self._connection.execute(sql, values).fetchall()
        self._connection.set_progress_handler(None, 0)
        return rows

    async def one(self, sql: str, *values: Any) -> Row | None:
        return next(iter(await self.all(sql, *values)), None)

    async def run(self, sql: str, *values: Any) -> int:
        return len(await self.all(sql, *values))

    def _count(self) -> int:
        self.steps += 1
        return 0


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with an account and a thousand images, each sold as one product that is linked to a shop."""
    prepare(tmp_path / "db")
    opened = connect(tmp_path / "db")
    opened.execute("INSERT INTO account (name, created_at, member_id) VALUES ('a', 0, 'a')")
    multiply(opened, 0, 1_000)
    yield opened
    opened.close()


def multiply(connection: sqlite3.Connection, done: int, count: int) -> None:
    """Fill up to so many products."""
    numbers = f"WITH RECURSIVE number(n) AS (SELECT {done + 1} UNION ALL SELECT n + 1 FROM number WHERE n < {count})"
    connection.execute("BEGIN")
    connection.execute(
        f"{numbers} INSERT INTO image (id, account_id, guid, library, name, name_folded, title, searched, size_bytes,"
        " width_px, height_px, hires_uri, created_at)"
        " SELECT n, 1, 'guid-' || n, 'inventory', 'a', 'a', 'a', 'a', 1, 1, 1, 'https://img.example/a', n FROM number"
    )
    connection.execute(
        f"{numbers} INSERT INTO inventory_product (id, account_id, image_id, guid, sku, product_code, name, searched,"
        " created_at) SELECT n, 1, n, n, 'AP1P' || n, 'code-' || n, 'Print ' || n, 'print ' || n, n FROM number"
    )
    connection.execute(
        f"{numbers} INSERT INTO inventory_link (product_id, account_id, field, value)"
        " SELECT n, 1, 'etsy_product_id', n FROM number"
    )
    connection.execute("COMMIT")


async def ask(connection: sqlite3.Connection, name: str) -> Watched:
    watched = Watched(connection)
    if name == "of images":
        assert len(await inventory.of_images(watched, 1, range(500, 550))) == 50
    elif name == "of skus":
        assert len(await inventory.of_skus(watched, 1, ["AP1P500", "AP1P501"])) == 2
    else:
        found = await inventory.list_products(watched, 1, Query([FILTERS[name]], NEWEST))
        assert found.total == len(FILTERS[name].values)
        assert [product.links for product in found.rows] == [{"etsy_product_id": str(one.id)} for one in found.rows]
    return watched


async def test_finding_products_takes_no_more_work_among_many_than_among_a_thousand(
    connection: sqlite3.Connection,
) -> None:
    names = [*FILTERS, "of images", "of skus"]
    few = {name: (await ask(connection, name)).steps for name in names}

    multiply(connection, 1_000, 20_000)

    many = {name: (await ask(connection, name)).steps for name in names}
    assert all(many[name] <= few[name] + few[name] // 4 + 2 for name in names), (few, many)


@pytest.mark.parametrize("field", ["id", "name", "created_at"])
async def test_each_order_is_read_from_an_index(connection: sqlite3.Connection, field: str) -> None:
    watched = Watched(connection)
    orderings = [Ordering(one, descending=True) for one in dict.fromkeys((field, "id"))]

    page = await inventory.list_products(watched, 1, Query([], orderings, limit=10, counted=False))

    assert len(page.rows) == 10
    assert not [step for step in watched.plans if step.startswith(("SCAN", "USE TEMP"))]
    assert watched.steps < 20


async def test_deleting_and_disconnecting_look_nothing_up_by_walking(connection: sqlite3.Connection) -> None:
    watched = Watched(connection)
    tx = cast("Tx", watched)

    assert await inventory.remove_skus(tx, 1, ["AP1P500", "AP7P7"]) == {"AP1P500"}
    await inventory.unlink(tx, 1, ["wix_product_id"])

    assert not [step for step in watched.plans if step.startswith("SCAN")]
    assert watched.steps < 20
