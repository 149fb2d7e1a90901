"""No statement about events walks a table, however much waits or lies about."""

import re
import sqlite3
from pathlib import Path
from typing import Any, cast

import pytest

from build import Clock, fail_loudly, make_product
from hooked import Hooked
from packshot import app
from packshot.domain.paging import Query
from packshot.services import deliveries, handlers, offline, setup
from packshot.services.handlers import Binding
from packshot.storage import sqlite
from packshot.storage.sqlite import connect
from receiver import EVERY, PRIVATE, deliver, make_application, receiving

OF_A_FEW = re.compile(r"FROM event_receiver$|count\(\*\) FROM outbox|WHERE r.application_id IS NULL")
"""Statements over all receivers: once a minute in the writer, or at the command line."""


class Recorded(Hooked):
    def __init__(self, real: sqlite3.Connection, asked: list[tuple[str, Any]]) -> None:
        super().__init__(real, lambda _sql, _connection: None)
        self._asked = asked

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self._asked.append((sql, values))
        return super().execute(sql, values)


def walks(path: Path, asked: list[tuple[str, Any]]) -> list[str]:
    connection = connect(path)
    found = []
    for sql, values in asked:
        if not re.search(r"outbox|event_|offline_", sql) or not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", sql):
            continue
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]
        found += [f"{step}: {sql}" for step in steps if re.match(r"SCAN (?!CONSTANT ROW)|USE TEMP B-TREE", step)]
    connection.close()
    return sorted({step for step in found if not OF_A_FEW.search(step)})


async def test_no_statement_about_events_walks_a_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock
) -> None:
    asked: list[tuple[str, Any]] = []

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        return cast("sqlite3.Connection", Recorded(connect(path, read_only=read_only), asked))

    monkeypatch.setattr(sqlite, "connect", opened)
    async with app.open_core(tmp_path / "data", PRIVATE, fail_loudly, clock) as core, receiving() as receiver:
        seed = await setup.create_account(core)
        assert seed is not None
        admin = setup_admin(seed)
        acting, _ = await make_application(core, admin)
        await handlers.add_webhook(core, "main", receiver.url, list(EVERY))
        await handlers.bind(core, acting, Binding(EVERY[0], receiver.url))
        await handlers.bind(core, acting, Binding(EVERY[0], None))
        await make_product(core, admin)
        receiver.answer = lambda _: 500
        await deliver(core)
        receiver.answer = lambda _: 200
        clock.advance(60)
        await deliver(core)
        await handlers.retry(core, 1)
        await handlers.of_undelivered(core, 0, 10)
        await offline.list_events(core, acting, "", Query())
        process_id, _ = await offline.reserve(core, acting, "", Query(counted=False))
        await offline.of_process(core, acting, "", (process_id, True), Query(counted=False))
        await offline.mark_errors(core, acting, process_id, {"none"})
        await offline.clear(core, acting, process_id, lambda *_: True)
        await handlers.unbind(core, acting, Binding(EVERY[0], receiver.url))
        await deliveries.purge(core)

    assert walks(tmp_path / "data" / "packshot.sqlite3", asked) == []


def setup_admin(seed: setup.Seed) -> Any:
    from packshot.domain.access import Principal

    return Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
