"""A store on its way to a new home, at moments that no real server would hit."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import pictures
import postgres
from build import believing, fail_loudly, make_image
from moments import bytes_of
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import images, moving, scrub
from packshot.services.core import Core
from packshot.storage import marks
from packshot.storage.folder import DATABASE, LOCK_FILE, Lock, StoreUnusable
from packshot.storage.homes import Home

pytestmark = pytest.mark.on_files("stores are moved from files to files; tests/cli/test_move.py has the others")

SHIRT, MUG = pictures.png(3, 2), pictures.png(4, 4)


def told(*_: object) -> None:
    """Nobody hears of progress."""


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        ((found,),) = database.execute(f"SELECT count(*) FROM {table}").fetchall()
        return int(found)


@pytest.fixture
def source(core: Core, tmp_path: Path) -> Home:  # noqa: ARG001 - it makes the folder
    return Home(tmp_path / "data")


async def test_originals_that_come_between_originals_and_rows_come_along(
    core: Core, admin: Principal, shirt: int, source: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    first, late = await make_image(core, admin, shirt, SHIRT), []
    really = moving._bring_all  # noqa: SLF001 - a moment between two steps

    async def bring_all(*arguments: Any, **named: Any) -> Any:
        late.append(await make_image(core, admin, shirt, MUG))
        return await really(*arguments, **named)

    monkeypatch.setattr(moving, "_bring_all", bring_all)

    moved = await moving.move(core, source, Home(tmp_path / "new"), told)

    assert (moved.blobs.copied, moved.blobs.lost, moved.images, moved.is_last) == (2, (), 2, True)
    async with app.open_core(tmp_path / "new", believing(Settings()), fail_loudly, core.clock) as new:
        assert await images.get(new, admin, shirt, first.id) == first
        assert await bytes_of(new, admin.account_id, late[0].id) == MUG


async def test_no_bytes_are_deleted_while_it_runs(
    core: Core, admin: Principal, shirt: int, source: Home, tmp_path: Path
) -> None:  # fmt: skip
    await make_image(core, admin, shirt, SHIRT)
    held = []

    await moving.move(core, source, Home(tmp_path / "new"), lambda *_: held.append(count(source.folder, "hold")))

    assert set(held) == {1}
    assert count(source.folder, "hold") == 0


async def test_killed_after_its_commit_it_knows_its_own_rows_again(
    core: Core, admin: Principal, shirt: int, source: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    new = Home(tmp_path / "new")
    await moving.move(core, source, new, told)
    written: list[int] = []
    really = marks.write_mark

    def write_mark(folder: Path, accepted: tuple[str, ...]) -> None:
        written.append(len(accepted))
        if len(written) == 2:
            raise KeyboardInterrupt
        really(folder, accepted)

    monkeypatch.setattr(marks, "write_mark", write_mark)
    await make_image(core, admin, shirt, SHIRT)
    with pytest.raises(KeyboardInterrupt):
        await moving.move(core, source, new, told)
    monkeypatch.undo()

    moved = await moving.move(core, source, new, told)

    assert written == [2, 1]
    assert (moved.images, count(new.folder, "image")) == (1, 1)


@pytest.mark.usefixtures("admin")
async def test_what_a_server_writes_to_the_new_home_while_originals_come_is_never_overwritten(
    core: Core, source: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    url = postgres.new()
    new = Home(tmp_path / "new", url)
    await moving.move(core, source, new, told)
    there = await asyncpg.connect(url)
    really = moving._bring_all  # noqa: SLF001 - a moment between two steps

    async def bring_all(*arguments: Any, **named: Any) -> Any:
        await there.execute("INSERT INTO account (name, created_at) VALUES ('started too early', 1)")
        return await really(*arguments, **named)

    monkeypatch.setattr(moving, "_bring_all", bring_all)

    with pytest.raises(StoreUnusable, match="was changed since the last move"):
        await moving.move(core, source, new, told)

    assert await there.fetchval("SELECT count(*) FROM account WHERE name = 'started too early'") == 1
    await there.close()


async def test_uploads_under_way_in_a_shared_folder_go_on(
    core: Core, admin: Principal, shirt: int, source: Home, tmp_path: Path
) -> None:  # fmt: skip
    await make_image(core, admin, shirt, SHIRT)
    shared = tmp_path / "shared"
    for name in ("blobs", "staging"):
        (shared / name).mkdir(parents=True)
    (shared / "staging" / "of-a-node").write_bytes(b"half of a picture")

    moved = await moving.move(core, source, Home(tmp_path / "new", blobs_url=f"file://{shared}"), told)

    assert moved.blobs.copied == 1
    assert (shared / "staging" / "of-a-node").exists()


async def test_full_reads_originals_before_rows_are_locked_and_has_what_it_found_marked(
    core: Core, admin: Principal, shirt: int, source: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    image = await make_image(core, admin, shirt, SHIRT)
    new = Home(tmp_path / "new")
    await moving.move(core, source, new, told)
    (there,) = (path for path in (new.folder / "blobs").rglob("*") if path.is_file())
    there.write_bytes(b"x" * len(SHIRT))
    really, read_before = moving._bring_all, []  # noqa: SLF001 - a moment between two steps

    async def bring_all(*arguments: Any, **named: Any) -> Any:
        read_before.append(list(arguments[-1]))
        monkeypatch.setattr(scrub, "digest_of", None)
        return await really(*arguments, **named)

    monkeypatch.setattr(moving, "_bring_all", bring_all)

    moved = await moving.move(core, source, new, told, full=True)

    assert [len(found) for found in read_before] == [1]
    assert len(moved.blobs.lost) == 1
    assert str(image.id) in moved.blobs.lost[0]
    with closing(sqlite3.connect(new.folder / DATABASE)) as database:
        assert database.execute("SELECT state FROM blob").fetchall() == [("corrupt",)]


@pytest.mark.usefixtures("admin")
async def test_a_server_that_was_killed_in_the_new_home_is_still_noticed_after_a_move(
    core: Core, source: Home, tmp_path: Path
) -> None:  # fmt: skip
    new = tmp_path / "new"
    await moving.move(core, source, Home(new), told)
    (new / LOCK_FILE).write_text("4711\n")

    await moving.move(core, source, Home(new), told)

    assert (new / LOCK_FILE).read_text()


@pytest.mark.usefixtures("admin")
async def test_a_database_is_not_moved_into_itself(core: Core, source: Home, tmp_path: Path) -> None:
    url = "postgresql://db.example/shop"

    with pytest.raises(moving.CannotMove, match="the rows are in that database already"):
        await moving.move(core, Home(source.folder, url), Home(tmp_path / "new", url), told)


@pytest.mark.usefixtures("admin")
async def test_a_served_store_says_that_this_was_not_the_last_run(core: Core, source: Home, tmp_path: Path) -> None:
    lock = Lock(source.folder)

    moved = await moving.move(core, source, Home(tmp_path / "new"), told)

    assert not moved.is_last
    lock.release()
