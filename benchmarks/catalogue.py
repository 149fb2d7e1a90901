"""Lists of 100 000 products against the same SQL run alone, and a batch of fifty against fifty times one command."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load import Call, Candidate, Round, reading, reads
from benchmarks.product import DATABASE, Packshot
from benchmarks.report import Verdict, alternate, cpu_us, ratio, table
from packshot.domain.paging import Condition, Operator, Ordering, Query, Value
from packshot.domain.products import Kind
from packshot.storage import products
from packshot.storage.database import Dialect
from packshot.storage.sqlite import connect

COMMANDS = 50
CONNECTIONS = 4
SQL_RUNS = 40

Case = tuple[dict[str, Any], Query]
"""What a client sends beside `select`, and the same as a query of ours."""

SELECT = ["id", "iblockId", "name"]


def _case(conditions: dict[str, tuple[str, str, Operator, Value]], order: str, *, counted: bool = True) -> Case:
    """A case of conditions, wire name -> (operator on the wire, field, operator, value), sorted by one field."""
    words = {f"{sign}{name}": value for name, (sign, _, _, value) in conditions.items()}
    params = {"filter": words, "order": {order: "asc"}, "start": 0 if counted else -1}
    ours = [Condition(field, operator, (value,)) for _, field, operator, value in conditions.values()]
    return params, Query(ours, [Ordering(order)], counted=counted)


def cases(catalog: int, middle: int) -> dict[str, Case]:
    """What is asked, by name; *middle* is the id of a product in the middle."""
    in_catalog: tuple[str, str, Operator, Value] = ("", "catalog_id", "=", catalog)
    return {
        "one id": _case({"iblockId": in_catalog, "id": ("", "id", "=", middle)}, "id"),
        "ids from the middle": _case({"iblockId": in_catalog, "id": (">", "id", ">", middle)}, "id"),
        "the same, not counted": _case({"iblockId": in_catalog, "id": (">", "id", ">", middle)}, "id", counted=False),
        "one name": _case({"iblockId": in_catalog, "name": ("", "name", "=", f"Product {middle}")}, "id"),
        "by name": _case({"iblockId": in_catalog}, "name"),
        "a part of the name": _case({"iblockId": in_catalog, "name": ("%", "name", "contains", "77")}, "id"),
        "the catalog": _case({"iblockId": in_catalog}, "id"),
    }


def measured(folder: Path, packshot: Packshot, rounds: int, seconds: int) -> list[Verdict]:
    """Measure all of it and print the tables; *packshot* was started in *folder*, filled with products."""
    return [*_lists(folder, packshot, rounds, seconds), _batch(packshot, rounds, seconds)]


def _lists(folder: Path, packshot: Packshot, rounds: int, seconds: int) -> list[Verdict]:
    verdicts = []
    with contextlib.closing(connect(folder / "packshot" / DATABASE, read_only=True)) as connection:
        (catalog, middle) = connection.execute("SELECT min(catalog_id), max(id) / 2 FROM product").fetchone()
        for name, (params, query) in cases(catalog, middle).items():
            body = msgspec.json.encode({"select": SELECT, **params}).decode()
            candidate = _candidate(packshot, f"list: {name}", "catalog.product.list", body)
            statements = asyncio.run(_statements(connection, query))
            reads(candidate, CONNECTIONS, 1)
            results = alternate(
                {
                    candidate.name: reading(candidate, CONNECTIONS, seconds),
                    "SQL alone": alone(connection, statements, SQL_RUNS),
                },
                rounds,
            )
            table(f"catalog.product.list, {name}, {len(statements)} statement(s)", results)
            measured = ratio(results[candidate.name], results["SQL alone"], cpu_us)
            verdicts.append(Verdict(f"list of products, {name}: CPU of the SQL's", measured, "<", 2))
    return verdicts


def _batch(packshot: Packshot, rounds: int, seconds: int) -> Verdict:
    command = "catalog.productImage.get?productId=@product@&id=@image@"
    many = msgspec.json.encode({"cmd": {f"c{number}": command for number in range(COMMANDS)}}).decode()
    one = _candidate(packshot, "one command", "catalog.productImage.get", '{"productId":@product@,"id":@image@}')
    batch = _candidate(packshot, f"batch of {COMMANDS}", "batch", many)
    for candidate in (one, batch):
        reads(candidate, CONNECTIONS, 1)
    results = alternate({each.name: reading(each, CONNECTIONS, seconds) for each in (one, batch)}, rounds)
    table("batch", results)
    return Verdict(
        f"batch of {COMMANDS}: CPU of one command's", ratio(results[batch.name], results[one.name], cpu_us), "<=", 50
    )


def _candidate(packshot: Packshot, name: str, method: str, body: str) -> Candidate:
    call = Call("POST", f"{packshot.rest}{method}", body)
    return Candidate(name, packshot.server.pid, packshot.server.port, call, packshot.catalogue)


class Recording:
    """Reads that remember their statements."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.statements: list[tuple[str, tuple[Any, ...]]] = []

    async def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        rows = await self.all(sql, *values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """Every row."""
        self.statements.append((sql, values))
        return self.connection.execute(sql, values).fetchall()


async def _statements(connection: sqlite3.Connection, query: Query) -> list[tuple[str, tuple[Any, ...]]]:
    """The statements that this list is made of."""
    recording = Recording(connection)
    fields = ["id", "catalog_id", "name"]
    await products.list_products(recording, 1, (Kind.SIMPLE,), fields, query)
    return recording.statements


def alone(
    connection: sqlite3.Connection, statements: list[tuple[str, tuple[Any, ...]]], runs: int
) -> Callable[[int], Round]:
    """A measure that runs nothing but these statements, so often."""

    def measure(_: int) -> Round:
        started_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(runs):
            for sql, values in statements:
                connection.execute(sql, values).fetchall()
        took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        return Round(runs, runs / took_s, cpu_s / runs * 1e6, 0, took_s / runs * 1e3, took_s / runs * 1e3, 0)

    return measure
