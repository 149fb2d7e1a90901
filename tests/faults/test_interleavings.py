"""All orders of uploads, deletions and upkeep on one digest: nothing that was acknowledged is ever lost."""

import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import structs

import stock
from build import fail_loudly
from faults.interleaving import Act, Figures, Files, Store, Wrong, explore, opened
from faults.races import (
    ACTS,
    MAY_MISS,
    MODEL,
    PICTURE,
    SCENES,
    WITH_TRASH,
    Scene,
    add,
    bare,
    binned,
    damaged,
    full,
    laws_of,
    missing,
    orphaned,
    returned,
    shown,
)  # fmt: skip
from packshot import app
from packshot.domain.errors import Conflict
from packshot.services import originals, scrub, upkeep
from packshot.services.core import Core
from packshot.storage import blob_rows
from packshot.storage.database import Tx
from packshot.storage.folder import DATABASE
from packshot.storage.sqlite import connect
from receiver import PRIVATE


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with app.open_core(tmp_path, PRIVATE, fail_loudly) as core:
        await stock.prepare(core)
        with closing(connect(tmp_path / DATABASE)) as connection, opened(core, connection) as store:
            yield store


def walk(store: Store, scene: Scene, names: Iterable[str], acts: Mapping[str, Act] = ACTS) -> Figures:
    """Go through all orders of these acts. Raises: Wrong."""
    store.connection.execute("SAVEPOINT bare")
    try:
        scene(store)
        store.connection.execute("SAVEPOINT scene")
        laws = laws_of(store)
        return explore(store, {name: acts[name] for name in names}, laws.look, laws.judge)
    finally:
        store.empty("bare")


def walk_all(store: Store, models: Iterable[tuple[Scene, Sequence[str]]], shown: pytest.CaptureFixture[str]) -> None:
    """The same for many models; what was walked through is printed."""
    begun, total = time.monotonic(), Figures()
    for scene, names in models:
        total += walk(store, scene, names)
    with shown.disabled():
        sys.stdout.write(f"\nsame-digest orders: {total}, {time.monotonic() - begun:.1f} s, 0 violations\n")


def of_size(count: int) -> Iterator[tuple[Scene, Sequence[str]]]:
    """Every set of so many acts, in every scene where they have something to do."""
    for names in itertools.combinations(ACTS, count):
        if "add too" in names and "add" not in names:
            continue
        for scene in SCENES:
            if MAY_MISS.isdisjoint(names) or scene in WITH_TRASH:
                yield scene, names


MAIN: list[tuple[Scene, Sequence[str]]] = [
    (shown, ("add", "add too", "delete", "doom", "reap")),
    (orphaned, ("add", "add to library", "doom", "reap")),
    (orphaned, ("add", "doom", "reap", "sweep")),
    (binned, ("add", "restore", "purge", "doom", "reap")),
    (full, ("add", "delete", "doom", "back up")),
    (missing, ("add", "add too", "delete", "repair")),
    (damaged, ("add", "scrub", "doom")),
    (returned, ("add", "repair", "delete", "doom")),
]


def test_no_order_of_two_of_them_or_of_the_main_ones_loses_anything(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    walk_all(store, [*of_size(2), *MAIN], capsys)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_no_order_of_three_of_them_loses_anything(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    walk_all(store, of_size(3), capsys)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("scene", [shown, orphaned])
def test_no_order_of_the_whole_model_loses_anything(
    store: Store, capsys: pytest.CaptureFixture[str], scene: Scene
) -> None:
    walk_all(store, [(scene, MODEL)], capsys)


# Services that break the rules, which must be seen


def with_keys_used_again(patched: pytest.MonkeyPatch) -> None:
    """A digest has one key for ever; and the reaper forgets what it doomed before it deletes the bytes."""

    async def reap(core: Core) -> None:
        for blob_id, key in await blob_rows.of_doomed(core.db, core.now() + 1_000_000, 100, core.now()):
            await core.db.write(partial(blob_rows.forget, blob_id=blob_id))
            await core.blobs.delete(key)

    async def add_or_not(core: Core) -> str | None:
        try:
            return await add(core)
        except Conflict:  # the row is still there
            return None

    patched.setattr(originals, "new_key", lambda digest: f"{digest}.{'0' * 16}")
    patched.setitem(ACTS, "add", add_or_not)
    patched.setitem(ACTS, "reap", reap)


def with_late_bytes(patched: pytest.MonkeyPatch) -> None:
    """The bytes come after the rows."""

    async def late(core: Core) -> str:
        waiting: list[tuple[str, Any]] = []

        class Late:
            def __getattr__(self, name: str) -> Any:
                return getattr(core.blobs, name)

            async def put(self, key: str, data: Any) -> None:
                waiting.append((key, data))

        guid = await add(replace(core, blobs=cast("Any", Late())))
        for key, data in waiting:
            await core.blobs.put(key, data)
        return guid

    patched.setitem(ACTS, "add", late)


def with_trust(patched: pytest.MonkeyPatch) -> None:
    """What a row says of bytes is believed."""
    patched.setattr(scrub, "is_intact", _trusted)
    patched.setattr(Files, "find_size", _believed)


async def _trusted(*_: object) -> bool:
    return True


async def _believed(_: Files, key: str) -> int:
    return len(PICTURE) if key else 0


def with_old_uploads(patched: pytest.MonkeyPatch) -> None:
    """A sweep that takes files of uploads under way for old ones."""

    async def sweep(core: Core) -> int:
        return await upkeep.sweep(replace(core, upkeep=structs.replace(core.upkeep, grace_s=0)))

    patched.setitem(ACTS, "sweep", sweep)


def with_a_hasty_doom(patched: pytest.MonkeyPatch) -> None:
    """Whether something points at bytes is asked before the work that dooms them."""

    async def doom_at_once(core: Core) -> None:
        await upkeep.empty_trash(core)
        for blob in await blob_rows.walk(core.db, 0, 100):
            if not await blob_rows.is_needed(core.db, blob.id):
                await core.db.write(partial(_doom, blob_id=blob.id))

    patched.setitem(ACTS, "doom", doom_at_once)


async def _doom(tx: Tx, blob_id: int) -> None:
    await tx.run("UPDATE blob SET state = 'doomed', doomed_at = 1 WHERE id = ?1 AND state = 'live'", blob_id)


def with_a_second_life(patched: pytest.MonkeyPatch) -> None:
    """An upload of doomed bytes makes them live again."""

    async def bring_back(core: Core) -> str:
        await core.db.write(_revive)
        return await add(core)

    patched.setitem(ACTS, "add", bring_back)


async def _revive(tx: Tx) -> None:
    await tx.run("UPDATE blob SET state = 'live' WHERE id = (SELECT max(id) FROM blob WHERE state = 'doomed')")


def with_a_hold_that_nobody_minds(patched: pytest.MonkeyPatch) -> None:
    """The reaper does not ask whether a backup is made."""
    of_doomed = blob_rows.of_doomed
    patched.setattr(blob_rows, "of_doomed", lambda db, before, limit, _: of_doomed(db, before, limit, 2**62))


BROKEN: list[tuple[Callable[[pytest.MonkeyPatch], None], Scene, tuple[str, ...], str]] = [
    (with_keys_used_again, shown, ("add", "delete", "doom", "reap"), "a live blob has no bytes"),
    (with_late_bytes, bare, ("add",), "a live blob has no bytes"),
    (with_trust, missing, ("add",), "what add was told is stored has no bytes"),
    (with_old_uploads, bare, ("add", "sweep"), "a live blob has no bytes"),
    (with_a_hasty_doom, orphaned, ("add", "doom"), "something points at bytes that are out of use"),
    (with_a_second_life, shown, ("add", "delete", "doom", "reap"), "a live blob has no bytes"),
    (with_a_hold_that_nobody_minds, shown, ("delete", "doom", "reap", "back up"), "a backup lost what it held"),
]


@pytest.mark.parametrize(("break_it", "scene", "names", "shows"), BROKEN)
def test_a_service_that_breaks_a_rule_is_caught(
    store: Store, break_it: Callable[[pytest.MonkeyPatch], None], scene: Scene, names: tuple[str, ...], shows: str
) -> None:
    walk(store, scene, names)

    with pytest.MonkeyPatch.context() as patched:
        break_it(patched)

        with pytest.raises(Wrong, match=shows):
            walk(store, scene, names)
