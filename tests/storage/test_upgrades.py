"""A database of an older version: copied, then brought up to date, and whole whenever that is broken off."""

import errno
import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

import older
from hooked import sqlite_error
from older import OLD
from packshot.storage import backup, health, migrations
from packshot.storage.migrations import DatabaseUnusable, NotMigrated, SchemaTooNew, SchemaTooOld, steps, upgrade
from packshot.storage.sqlite import connect
from serving import run_lines

NEWEST = steps()[-1][0]
FIRST = f"packshot.sqlite3.before-{OLD + 1:04}"

LIVES = """
import json, os, shutil, signal, sys
from pathlib import Path

sys.path[:0] = [sys.argv[1]]
import older
from hooked import Hooked
from packshot.storage import backup, migrations
from packshot.storage.sqlite import connect

made, folder = Path(sys.argv[2]), Path(sys.argv[3])
path, copy, stride = folder / made.name, folder / sys.argv[4], int(sys.argv[5])
newest, before = migrations.steps()[-1][0], older.look(made)[1]


def live(last):
    left = last

    def step(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(function):
        def stepping(*arguments):
            step()
            function(*arguments[:2], *([step] * len(arguments[2:])))  # the progress of a copy is steps, too
            step()

        return stepping

    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    migrations.connect = lambda path: Hooked(connect(path), step)
    for name in ("copy_database", "seal", "flush"):
        setattr(migrations, name, watched(getattr(migrations, name)))
    backup.PAGES = 10
    code = 1
    try:
        migrations.upgrade(path)
        code = 0
    finally:
        os._exit(code)


last, killed, found = 0, True, []
while killed:
    last += stride
    for left in folder.iterdir():
        left.unlink()
    shutil.copy(made, path)
    code = live(last)
    killed = code == -signal.SIGKILL
    assert killed or code == 0, code
    copied = copy.exists()
    if copied:
        assert older.look(copy) == (older.OLD, before), last
    step, rows = older.look(path)
    assert rows == before and step in (older.OLD, newest), last
    assert copied or step == older.OLD, last
    upgraded = migrations.upgrade(path)
    assert (upgraded is None) == (step == newest), last
    assert older.look(path) == (newest, before), last
    assert older.look(copy) == (older.OLD, before), last
    assert sorted(left.name for left in folder.iterdir()) == sorted([path.name, copy.name]), last
    found.append((copied, step))
print(json.dumps([len(found) - 1, *(found.count(one) for one in ((False, 7), (True, 7), (True, newest)))]))
"""
"""An upgrade killed at each of its steps, which are statements and parts of the copy; then another start."""


STARTS = """
import os, sys
from pathlib import Path
from packshot.storage.migrations import upgrade

children = []
for _ in range(4):
    child = os.fork()
    if not child:
        code = 99
        try:
            code = int(upgrade(Path(sys.argv[1])) is not None)
        finally:
            os._exit(code)
    children.append(child)
print(*sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An old database in a folder of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    older.make(folder / "packshot.sqlite3")
    return folder / "packshot.sqlite3"


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def with_step(monkeypatch: pytest.MonkeyPatch, sql: str) -> int:
    """One more step after the last one, and its number."""
    number = migrations.steps()[-1][0] + 1
    more = [*migrations.steps(), (number, f"{number:04}_test", sql)]
    monkeypatch.setattr(migrations, "steps", lambda: more)
    return number


def fill_disk(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free_bytes))


def test_an_old_database_is_copied_and_brought_up_to_date(path: Path) -> None:
    _, before = older.look(path)

    upgraded = upgrade(path)

    copy = path.parent / FIRST
    assert str(upgraded) == f"Brought the database from step 7 to {NEWEST}; a copy of it as it was: {copy}"
    assert names(path) == ["packshot.sqlite3", FIRST]
    assert older.look(path) == (NEWEST, before)
    assert older.look(copy) == (OLD, before)


def test_once_up_to_date_nothing_is_done_any_more(path: Path) -> None:
    upgrade(path)
    (path.parent / FIRST).unlink()

    assert upgrade(path) is None
    assert names(path) == ["packshot.sqlite3"]


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    assert upgrade(tmp_path / "db") is None
    assert list(tmp_path.iterdir()) == []


def test_what_the_older_version_wrote_last_is_in_the_copy(path: Path) -> None:
    """Also what still stands in the write-ahead log, as after a kill."""
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO account (name, created_at, member_id) VALUES ('last', 5, 'c')")

        upgrade(path)

    with closing(connect(path.parent / FIRST)) as copy:
        assert copy.execute("SELECT count(*) FROM account WHERE name = 'last'").fetchall() == [(1,)]


def test_nobody_writes_between_the_copy_and_the_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def sealed(part: Path) -> None:
        with closing(sqlite3.connect(path, timeout=0)) as other:
            try:
                other.execute("DELETE FROM image")
            except sqlite3.OperationalError as error:
                refused.append(str(error))
        backup.seal(part)

    monkeypatch.setattr(migrations, "seal", sealed)

    upgrade(path)

    assert refused == ["database is locked"]


def test_of_processes_that_start_at_once_one_does_it(path: Path) -> None:
    before = older.look(path)

    done = run_lines(STARTS, path)

    assert (done.stdout, done.stderr) == ("0 0 0 1\n", "")
    assert older.look(path) == (NEWEST, before[1])
    assert older.look(path.parent / FIRST) == before


def test_a_copy_put_back_is_the_old_store_and_can_be_upgraded_again(path: Path) -> None:
    before = older.look(path)
    upgrade(path)

    shutil.copy(path.parent / FIRST, path)

    assert older.look(path) == before
    upgrade(path)
    assert older.look(path) == (NEWEST, before[1])
    assert older.look(path.parent / FIRST) == before


def test_the_newest_two_copies_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(path)
    os.utime(path.parent / FIRST, (1, 1))
    added = [with_step(monkeypatch, f"CREATE TABLE more_{count} (id INTEGER) STRICT") for count in range(2)]
    kept = []

    for number in added:
        every = migrations.steps()
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "steps", lambda known=every[:number]: known)
            upgrade(path)
        kept.append([name for name in names(path) if "before" in name])

    second, third = (f"packshot.sqlite3.before-{number:04}" for number in added)
    assert kept == [[FIRST, second], [second, third]]


def test_those_with_a_backup_of_their_own_need_no_copy(path: Path) -> None:
    upgraded = upgrade(path, copied=False)

    assert str(upgraded) == f"Brought the database from step 7 to {NEWEST}"
    assert names(path) == ["packshot.sqlite3"]


def test_a_failing_step_is_named_with_the_copy_and_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = older.look(path)
    number = with_step(monkeypatch, "DELETE FROM image;\nINSERT INTO nowhere VALUES (1);")

    with pytest.raises(NotMigrated) as failed:
        upgrade(path)

    assert str(failed.value) == (
        f"The database is as it was, and was not brought up to date: step {number:04}_test failed, no such table:"
        f" nowhere. A copy of it is {path.parent / FIRST}"
    )
    assert older.look(path) == older.look(path.parent / FIRST) == before


def test_steps_that_leave_rows_pointing_nowhere_change_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = older.look(path)
    with_step(monkeypatch, "DELETE FROM account WHERE id = 2;")

    with pytest.raises(NotMigrated, match="a step left rows that point nowhere"):
        upgrade(path)

    assert older.look(path) == before


def test_a_disk_without_room_for_the_copy_is_said_before_anything_is_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    fill_disk(monkeypatch, 300_000)

    with pytest.raises(NotMigrated, match=rf"a copy of it takes 0\.\d MB, and {path.parent} has 0\.3 MB free$"):
        upgrade(path)

    assert path.read_bytes() == before
    assert names(path) == ["packshot.sqlite3"]


@pytest.mark.parametrize("failing", ["copy_database", "flush"])
def test_a_copy_that_fails_leaves_nothing_and_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    before = older.look(path)
    real = getattr(migrations, failing)

    def fail(*arguments: object) -> None:
        real(*arguments)
        raise backup.BackupUnusable("full") if failing == "copy_database" else OSError(errno.EIO, "broken")

    monkeypatch.setattr(migrations, failing, fail)

    with pytest.raises(NotMigrated, match=r"full|broken"):
        upgrade(path)

    assert names(path) == ["packshot.sqlite3"]
    assert older.look(path) == before


def test_a_disk_that_is_full_once_the_copy_is_made_is_no_damage_and_nothing_is_left_on_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = older.look(path)

    def refuse(part: Path, **_: object) -> sqlite3.Connection:
        part.with_name(f"{part.name}-wal").touch()  # SQLite leaves it behind
        raise sqlite_error("SQLITE_IOERR_SHMSIZE")

    monkeypatch.setattr(health, "connect", refuse)

    with pytest.raises(NotMigrated, match=rf"{FIRST}\.part cannot be checked: SQLITE_IOERR_SHMSIZE$"):
        upgrade(path)

    assert names(path) == ["packshot.sqlite3"]
    assert older.look(path) == before


def test_a_full_disk_on_which_it_cannot_even_be_opened_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> sqlite3.Connection:
        raise sqlite_error("SQLITE_IOERR_SHMSIZE")

    monkeypatch.setattr(migrations, "connect", refuse)

    with pytest.raises(DatabaseUnusable, match="cannot be opened: the disk is full"):
        upgrade(path)


def test_a_damaged_database_is_not_touched(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(health, "quick_check", lambda _: ["row 3 missing from index image_of_blob"])

    with pytest.raises(NotMigrated, match="the database is damaged, and no copy of it is kept: row 3"):
        upgrade(path)

    assert path.read_bytes() == before
    assert names(path) == ["packshot.sqlite3"]


def test_a_newer_database_is_refused(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO migration VALUES (?1, 'from the future', 1)", (NEWEST + 1,))

    for use in (upgrade, migrations.create, lambda one: migrations.rehearse(one, path.parent)):
        with pytest.raises(SchemaTooNew):
            use(path)


def test_whoever_only_opens_an_old_database_is_refused(path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(SchemaTooOld, match=f"at schema 7, this version of Packshot works with {NEWEST}: stop the serv"):
        migrations.create(path)

    assert path.read_bytes() == before


def test_a_rehearsal_says_what_would_be_done_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    rehearsal = migrations.rehearse(path, elsewhere)

    assert rehearsal
    assert rehearsal.found == OLD
    assert [step.name for step in rehearsal.applied] == [name for _, name, _ in steps()[OLD:]]
    assert all(step.took_s >= 0 for step in rehearsal.applied)
    assert path.read_bytes() == before
    assert (names(path), list(elsewhere.iterdir())) == (["packshot.sqlite3"], [])
    upgrade(path)
    assert (rehearsal.size_bytes, rehearsal.becomes_bytes) == (len(before), path.stat().st_size)
    assert rehearsal.room_bytes > rehearsal.becomes_bytes
    assert migrations.rehearse(path, elsewhere) is None


def test_a_rehearsal_of_a_failing_step_says_so_and_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_step(monkeypatch, "INSERT INTO nowhere VALUES (1);")

    with pytest.raises(NotMigrated, match=r"nowhere$"):
        migrations.rehearse(path, path.parent)

    assert names(path) == ["packshot.sqlite3"]


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.long)])
def test_an_upgrade_killed_at_any_step_has_not_happened_or_is_whole(
    path: Path, stride: int, capsys: pytest.CaptureFixture[str]
) -> None:
    place = path.parent.parent / "lives"
    place.mkdir()

    done = run_lines(LIVES, Path(__file__).parent.parent, path, place, FIRST, str(stride))

    assert done.returncode == 0, done.stderr
    lives, early, late, whole = json.loads(done.stdout)
    with capsys.disabled():
        sys.stdout.write(f"\n{lives} upgrades killed: {early} before the copy was whole, {late} later and ")
        sys.stdout.write(f"{whole - 1} after the commit; after the next start each was whole\n")
    assert early * stride > 10
    assert late * stride > 50
