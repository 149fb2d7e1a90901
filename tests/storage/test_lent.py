"""Databases that tests lend each other: whoever gets one cannot tell it from a new one."""

from typing import Any

import asyncpg

import postgres
from packshot.storage import accounts
from packshot.storage.database import DatabaseSettings, Tx
from packshot.storage.postgresql import open_postgresql

_NAMES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
_SEQUENCES = "SELECT sequence_name FROM information_schema.sequences WHERE sequence_schema = 'public'"


async def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows, and where each sequence stands."""
    connection = await asyncpg.connect(url)
    wanted = {row[0]: f"SELECT * FROM {row[0]}" for row in await connection.fetch(_NAMES)}
    wanted |= {row[0]: f"SELECT last_value, is_called FROM {row[0]}" for row in await connection.fetch(_SEQUENCES)}
    found = {name: [tuple(row) for row in await connection.fetch(sql)] for name, sql in wanted.items()}
    await connection.close()
    return found


async def fill(url: str) -> None:
    async def work(tx: Tx) -> None:
        account_id = await accounts.add_account(tx, "main", 1, "0" * 32)
        await accounts.add_user(tx, account_id, "administrator", 1)
        await tx.run("UPDATE scrub SET after_blob_id = 7")

    db = await open_postgresql(DatabaseSettings(url))
    await db.write(work)
    await db.close()


async def test_a_database_that_came_back_is_as_a_new_one() -> None:
    with postgres.lent() as url:
        new = await contents(url)
        await fill(url)
        used = await contents(url)

    with postgres.lent() as again:
        emptied = await contents(again)

    assert again == url
    assert used != new
    assert emptied == new
    assert len(emptied["scrub"]) == 1
