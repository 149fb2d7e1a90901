"""`packshot migrate`: the database of an older version, and who may touch it when."""

import re
import shutil
from pathlib import Path

import pytest

import older
from forking import run
from packshot.storage import migrations
from packshot.storage.folder import DATABASE, Lock

NEWEST = migrations.steps()[-1][0]


@pytest.fixture
def old(folder: Path) -> Path:
    """A data folder with the database of an older version."""
    for left in folder.glob(f"{DATABASE}*"):
        left.unlink()
    older.make(folder / DATABASE)
    return folder


def copy_in(folder: Path) -> Path:
    return folder / f"{DATABASE}.before-{older.OLD + 1:04}"


def test_an_old_database_is_brought_up_to_date_and_its_copy_is_named(old: Path) -> None:
    done = run("migrate", "--data", old)

    copy = copy_in(old)
    assert done.stdout == f"Brought the database from step 7 to {NEWEST}; a copy of it as it was: {copy}.\n"
    assert (done.returncode, done.stderr) == (0, "")
    assert older.look(old / DATABASE)[0] == NEWEST
    assert older.look(copy)[0] == older.OLD
    assert run("migrate", "--data", old).stdout == "Nothing to do.\n"


def test_without_a_copy_there_is_none(old: Path) -> None:
    done = run("migrate", "--data", old, "--no-copy")

    assert done.stdout == f"Brought the database from step 7 to {NEWEST}.\n"
    assert not copy_in(old).exists()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_dry_run_names_each_step_and_changes_nothing(old: Path, tmp_path: Path, *, elsewhere: bool) -> None:
    before, left = (old / DATABASE).read_bytes(), sorted(old.iterdir())

    done = run("migrate", "--data", old, "--dry-run", "--in", tmp_path if elsewhere else old)

    lines = done.stdout.splitlines()
    assert [line.split()[2] for line in lines[:-2]] == [name for _, name, _ in migrations.steps()[older.OLD :]]
    assert re.fullmatch(
        r"The database would have 0\.\d MB instead of 0\.\d MB, and be whole. Nothing was ch.*", lines[-2]
    )
    assert re.fullmatch(r"To do it takes \d\.\d MB of room; a copy of it as it is now is counted in\.", lines[-1])
    assert ((old / DATABASE).read_bytes(), sorted(old.iterdir())) == (before, left)


def test_of_a_store_that_is_up_to_date_there_is_nothing_to_rehearse(folder: Path) -> None:
    assert run("migrate", "--data", folder, "--dry-run").stdout == "Nothing to do.\n"


def test_beside_a_server_it_is_refused_but_for_the_dry_run(old: Path) -> None:
    lock = Lock(old)

    dry, real = run("migrate", "--data", old, "--dry-run"), run("migrate", "--data", old)

    lock.release()
    assert (dry.returncode, real.returncode) == (0, 2)
    assert real.stderr == (
        f"packshot: a packshot server is using {old}: stop it first. The next one does this when it starts\n"
    )
    assert older.look(old / DATABASE)[0] == older.OLD


def test_what_an_unclean_stop_left_is_still_looked_at_by_the_next_server(old: Path) -> None:
    (old / "lock").write_text("123\n")

    run("migrate", "--data", old)

    assert Lock(old).was_unclean


def test_after_a_clean_stop_the_next_server_finds_a_clean_lock(old: Path) -> None:
    run("migrate", "--data", old)

    assert not Lock(old).was_unclean


@pytest.mark.parametrize("command", [["verify"], ["upkeep"], ["webhook", "create"], ["init"], ["backup", "elsewhere"]])
def test_other_commands_leave_an_old_database_alone(old: Path, command: list[str]) -> None:
    before = (old / DATABASE).read_bytes()

    done = run(*command, "--data", old)

    assert done.returncode == 2
    assert done.stderr == (
        f"packshot: The database is at schema 7, this version of Packshot works with {NEWEST}: stop the server of the"
        " older version, if one is running, and start this one's or run `packshot migrate`\n"
    )
    assert (old / DATABASE).read_bytes() == before


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    done = run("migrate", "--data", tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith(f"packshot: there is no store in {tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_the_dry_run_that_is_not_there_is_named(old: Path, tmp_path: Path) -> None:
    done = run("migrate", "--data", old, "--dry-run", "--in", tmp_path / "nowhere")

    assert done.returncode == 2
    assert str(tmp_path / "nowhere") in done.stderr


def test_the_copy_of_the_older_version_serves_as_its_database_again(old: Path) -> None:
    before = older.look(old / DATABASE)
    run("migrate", "--data", old)

    shutil.copy(copy_in(old), old / DATABASE)

    assert older.look(old / DATABASE) == before
