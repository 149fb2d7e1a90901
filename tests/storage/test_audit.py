"""The audit log is added to, blanked where images are erased, cut off at its oldest end, never changed otherwise."""

from pathlib import Path
from typing import Any

import pytest

from packshot.domain.access import Principal
from packshot.domain.audit import Deed, Entry, Sought, Touched
from packshot.domain.errors import Conflict
from packshot.services.core import Core
from packshot.storage import audit
from packshot.storage.database import Tx
from packshot.storage.folder import DATABASE
from plans import Statements, walks

DEED = Deed(1, 10, "changed", "update_images", "pair of keys 1", "request 1")
SHIRT = Touched(5, "guid 5", "shirt.png", 3, '{"fields": ["title"]}')
MUG = Touched(6, "guid 6", "mug.png")


@pytest.fixture(autouse=True)
async def filled(core: Core) -> None:
    """Lines 1 and 2 of one call, line 3 of a later one, line 4 of another account."""
    await add(core, DEED, SHIRT, MUG)
    await add(core, Deed(1, 20, "deleted", "delete_images", "webhook 7 of user 1", "request 2"), SHIRT)
    await add(core, Deed(2, 30, "added", "add_images", "pair of keys 2", "request 1"), SHIRT)


async def add(core: Core, deed: Deed, *images: Touched) -> None:
    await core.db.write(lambda tx: audit.add(tx, deed, images))


async def run(core: Core, sql: str, *values: Any) -> int:
    async def work(tx: Tx) -> int:
        return await tx.run(sql, *values)

    return await core.db.write(work)


async def ids(core: Core, account_id: int = 1, limit: int = 10, **sought: Any) -> list[int]:
    return [entry.id for entry in await audit.of_entries(core.db, account_id, Sought(**sought), limit)]


async def everything(core: Core) -> list[Any]:
    return await core.db.all("SELECT * FROM audit ORDER BY id")


async def test_a_line_says_all_that_was_noted(core: Core) -> None:
    entries = await audit.of_entries(core.db, 1, Sought(), 10)

    assert entries[-1] == Entry(
        1, 10, "changed", "update_images", "pair of keys 1", "request 1", 5, "guid 5", "shirt.png", 3, SHIRT.details
    )


async def test_lines_of_one_account_come_newest_first_by_what_is_asked(core: Core) -> None:
    assert await ids(core) == [3, 2, 1]
    assert await ids(core, limit=2) == [3, 2]
    assert await ids(core, before_id=3) == [2, 1]
    assert await ids(core, image_id=5) == [3, 1]
    assert await ids(core, guid="guid 6") == [2]
    assert await ids(core, request_id="request 1") == [2, 1]
    assert await ids(core, by="WEBHOOK 7") == [3]
    assert await ids(core, by="%") == await ids(core, by="webhook_7") == []
    assert await ids(core, since=20) == [3]
    assert await ids(core, image_id=5, by="keys") == [1]
    assert await ids(core, account_id=2, request_id="request 1") == [4]


async def test_many_lines_are_noted_at_once(core: Core) -> None:
    await add(core, DEED, *(Touched(number, f"guid {number}", "a.png") for number in range(100, 1_301)))

    assert len(await ids(core, limit=2_000)) == 3 + 1_201


@pytest.mark.parametrize(
    "change",
    [
        "id = 99", "account_id = 2", "at = 11", "action = 'added'", "method = ''", "who = ''", "request_id = ''",
        "image_id = 7", "product_id = NULL", "product_id = 4", "guid = 'other'", "name = 'other'", "details = '{}'",
        "guid = '', name = 'other'",
    ],
)  # fmt: skip
async def test_no_line_is_ever_changed(core: Core, change: str) -> None:
    before = await everything(core)

    with pytest.raises(Conflict):
        await run(core, f"UPDATE audit SET {change} WHERE id = 1")

    assert await everything(core) == before


@pytest.mark.on_files("only SQLite has such a statement")
async def test_no_line_is_put_in_the_place_of_another(core: Core) -> None:
    before = await everything(core)

    with pytest.raises(Conflict):
        await run(core, "INSERT OR REPLACE INTO audit SELECT 2, 1, 1, 'added', '', '', '', 1, '', '', NULL, ''")

    assert await everything(core) == before


@pytest.mark.parametrize("which", ["id = 2", "id > 1", "account_id = 2", "image_id = 6"])
async def test_no_line_goes_before_an_older_one(core: Core, which: str) -> None:
    before = await everything(core)

    with pytest.raises(Conflict):
        await run(core, f"DELETE FROM audit WHERE {which}")

    assert await everything(core) == before


async def test_the_oldest_lines_go_in_one_statement(core: Core) -> None:
    assert await run(core, "DELETE FROM audit WHERE id <= 2") == 2
    assert await run(core, "DELETE FROM audit") == 2


async def test_nothing_can_be_done_that_has_no_name(core: Core) -> None:
    with pytest.raises(Conflict):
        await run(core, "INSERT INTO audit SELECT NULL, 1, 1, 'lost', '', '', '', 1, '', '', NULL, ''")


async def test_blanked_lines_tell_no_longer_how_an_image_was_called(core: Core) -> None:
    count = await core.db.write(lambda tx: audit.blank_image(tx, 1, 5))

    entries = await audit.of_entries(core.db, 1, Sought(image_id=5), 10)
    assert count == 2
    assert {(entry.guid, entry.name, entry.details) for entry in entries} == {("", "", "")}
    assert [(entry.action, entry.who) for entry in entries] == [
        ("deleted", "webhook 7 of user 1"), ("changed", "pair of keys 1"),
    ]  # fmt: skip
    assert await ids(core, guid="guid 5") == []
    assert await ids(core, guid="guid 6") == [2]
    assert await ids(core, account_id=2, guid="guid 5") == [4]


async def test_an_account_is_blanked_as_a_whole(core: Core) -> None:
    assert await core.db.write(lambda tx: audit.blank_account(tx, 1)) == 3
    assert await core.db.write(lambda tx: audit.blank_account(tx, 1)) == 3

    assert await core.db.all("SELECT id FROM audit WHERE guid || name || details <> ''") == [(4,)]


@pytest.mark.parametrize(("before", "limit", "left"), [(9, 9, 4), (10, 9, 2), (10, 1, 3), (29, 9, 1), (99, 9, 0)])
async def test_what_is_old_goes_in_small_batches(core: Core, before: int, limit: int, left: int) -> None:
    gone = await core.db.write(lambda tx: audit.purge(tx, before, 99, limit))

    assert gone == 4 - left
    assert len(await everything(core)) == left


async def test_a_line_from_before_a_clock_went_back_keeps_those_behind_it(core: Core) -> None:
    await add(core, Deed(1, 15, "added", "", "the server", ""), MUG)

    assert await core.db.write(lambda tx: audit.purge(tx, 15, 40, 9)) == 2
    assert await core.db.write(lambda tx: audit.purge(tx, 30, 40, 9)) == 3


async def test_a_line_from_a_clock_that_was_ahead_goes_with_the_next_one(core: Core) -> None:
    for at in (10**9, 31, 10**9):
        await add(core, Deed(1, at, "added", "", "the server", ""), MUG)

    assert await core.db.write(lambda tx: audit.purge(tx, 30, 40, 9)) == 4
    assert await core.db.write(lambda tx: audit.purge(tx, 31, 40, 9)) == 2
    assert await core.db.write(lambda tx: audit.purge(tx, 39, 40, 9)) == 0


async def test_the_log_outlives_its_account(core: Core, admin: Principal) -> None:
    await run(core, "DELETE FROM account WHERE id = ?1", admin.account_id)

    assert await ids(core) == [3, 2, 1]


@pytest.mark.on_files("it is about SQLite's plans")
@pytest.mark.parametrize(
    "sought",
    [{}, {"image_id": 5}, {"guid": "guid 5"}, {"request_id": "request 1"}, {"before_id": 3}, {"by": "keys"}],
    ids=lambda sought: next(iter(sought), "all"),
)
async def test_no_question_walks_the_log(
    core: Core, statements: Statements, watched: Core, tmp_path: Path, sought: dict[str, Any]
) -> None:
    del core
    statements.clear()
    await ids(watched, **sought)
    await watched.db.write(lambda tx: audit.blank_image(tx, 1, 5))
    await watched.db.write(lambda tx: audit.purge(tx, 10, 99, 1))

    assert walks(tmp_path / "data" / DATABASE, statements) == []
    assert sum(" audit" in sql for sql, _ in statements) == 4
