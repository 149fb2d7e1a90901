"""What the disk has set aside for deleting: a file that is there in earnest, given up and taken back."""

import errno
import os
from pathlib import Path

import pytest
import structlog

from packshot.storage import reserve
from packshot.storage.reserve import NONE, Reserve, give_way

SIZE = 100_000


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much is free, as its one element."""
    free = [2**40]
    monkeypatch.setattr(reserve, "_free_bytes", lambda _: free[0])
    monkeypatch.setattr(reserve, "LOOK_EVERY_S", 0)
    return free


@pytest.fixture
def held(tmp_path: Path, free: list[int]) -> Reserve:
    del free
    made = Reserve(tmp_path / "reserve", SIZE)
    made.make()
    return made


def blocks(folder: Path) -> int:
    """How much of the disk it takes."""
    return (folder / "reserve").stat().st_blocks * 512


def fill_up(descriptor: int, _: int, length: int) -> None:
    """A disk that others fill up meanwhile."""
    os.pwrite(descriptor, bytes(length // 2), 0)
    raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize("number", [None, errno.EOPNOTSUPP, errno.EINVAL])
def test_the_room_is_taken_in_earnest_whatever_the_file_system_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, "not here")

    if number:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    made = Reserve(tmp_path / "reserve", SIZE)

    made.make()

    assert made.is_held()
    assert not made.is_out()
    assert (tmp_path / "reserve").stat().st_size == SIZE
    assert blocks(tmp_path) >= SIZE


def test_given_up_it_takes_no_room_and_comes_back_once_there_is_more_than_enough(
    tmp_path: Path, held: Reserve, free: list[int]
) -> None:
    assert held.release()

    assert (held.is_held(), held.is_out(), blocks(tmp_path)) == (False, True, 0)
    free[0] = SIZE + SIZE // 4 - 1
    assert not held.take_back()
    free[0] += 1
    assert held.take_back()
    assert (held.is_held(), held.is_out()) == (True, False)
    assert blocks(tmp_path) >= SIZE


def test_what_one_process_does_all_see(tmp_path: Path, held: Reserve) -> None:
    other = Reserve(tmp_path / "reserve", SIZE)

    assert other.is_held()
    held.release()
    assert other.is_out()
    assert other.release(), "somebody else was quicker: there is room all the same"
    assert other.take_back()
    assert held.is_held()


def test_whoever_is_refused_looks_once_in_a_while_only(
    held: Reserve, free: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "LOOK_EVERY_S", 3_600)
    looks = 0

    def look(_: Path) -> int:
        nonlocal looks
        looks += 1
        return free[0]

    monkeypatch.setattr(reserve, "_free_bytes", look)
    held.release()

    assert not held.take_back()
    assert looks == 0


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_half(
    tmp_path: Path, held: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.release()
    monkeypatch.setattr(os, "posix_fallocate", fill_up)

    assert not held.take_back()
    assert held.is_out()
    assert blocks(tmp_path) == 0


def test_without_room_at_the_start_there_is_none_and_nobody_is_refused_for_it(tmp_path: Path, free: list[int]) -> None:
    free[0] = SIZE
    none = Reserve(tmp_path / "reserve", SIZE)

    with structlog.testing.capture_logs() as logs:
        none.make()

    assert [line["event"] for line in logs] == ["there is no room to set the disk's reserve aside"]
    assert (none.is_held(), none.is_out(), none.release()) == (False, False, False)
    assert not (tmp_path / "reserve").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_room_that_is_there_for_others_only_makes_none_and_nobody_is_refused_for_it(
    tmp_path: Path, free: list[int], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, "yours is used up")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    none = Reserve(tmp_path / "reserve", SIZE)

    none.make()

    assert free[0] > SIZE
    assert (none.is_held(), none.is_out()) == (False, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [SIZE, 2**40])
def test_where_there_is_no_room_to_make_it_larger_it_stays_as_it_was(
    tmp_path: Path, held: Reserve, free: list[int], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    free[0] = room
    monkeypatch.setattr(os, "posix_fallocate", fill_up)
    larger = Reserve(tmp_path / "reserve", 8 * SIZE)

    larger.make()

    assert (larger.is_held(), larger.is_out(), held.is_held()) == (True, False, True)
    assert larger.held_bytes() == SIZE
    assert blocks(tmp_path) < 2 * SIZE


def test_commands_with_other_settings_than_the_server_leave_it_alone(tmp_path: Path, held: Reserve) -> None:
    command = Reserve(tmp_path / "reserve", 8 * SIZE)

    assert not command.is_out()
    assert command.take_back()
    assert command.held_bytes() == SIZE
    assert command.release()
    assert held.is_out()


def test_a_start_says_that_it_is_still_out(tmp_path: Path, held: Reserve, free: list[int]) -> None:
    free[0] = 0
    held.release()

    with structlog.testing.capture_logs() as logs:
        Reserve(tmp_path / "reserve", SIZE).make()

    assert [line["event"] for line in logs] == [
        "the disk is still full: uploads are refused until there is room for its reserve"
    ]


@pytest.mark.parametrize("size", [SIZE // 2, 2 * SIZE, 0])
def test_a_start_makes_it_as_large_as_the_setting_says(tmp_path: Path, held: Reserve, size: int) -> None:
    del held
    other = Reserve(tmp_path / "reserve", size)

    other.make()

    assert other.is_held() == bool(size)
    assert not other.is_out()
    assert (tmp_path / "reserve").exists() == bool(size)
    if size:
        assert (tmp_path / "reserve").stat().st_size == size


def test_one_that_is_out_stays_out_over_a_start_on_a_full_disk(tmp_path: Path, held: Reserve, free: list[int]) -> None:
    free[0] = 0
    held.release()

    Reserve(tmp_path / "reserve", SIZE).make()

    assert held.is_out()


def test_opening_a_store_gives_it_up_only_where_there_is_hardly_any_room(
    tmp_path: Path, held: Reserve, free: list[int]
) -> None:
    give_way(tmp_path / "reserve")
    assert held.is_held()
    free[0] = 1_000

    give_way(tmp_path / "reserve")

    assert held.is_out()
    give_way(tmp_path / "elsewhere")


def test_none_is_never_out_and_gives_nothing() -> None:
    assert (NONE.is_out(), NONE.is_held(), NONE.release(), NONE.take_back()) == (False, False, False, True)


def test_one_that_cannot_be_cut_gives_nothing(held: Reserve, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "truncate", refuse)

    assert not held.release()
    assert held.is_held()
