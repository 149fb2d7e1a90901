"""What really has to go goes at once and for good: out of the rows, the trash, the log, the cache and the files.

One transaction takes the rows away and notes whose bytes are to be deleted; whatever stops the rest, the next erasure
goes on with it. Holds of backups are not asked: who erases wants the bytes gone, and is told which backups have them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import msgspec

from packshot.domain.access import Principal
from packshot.domain.audit import Touched
from packshot.services import audit, events
from packshot.services.core import Core
from packshot.storage import accounts, handlers, locks, targets
from packshot.storage import audit as log
from packshot.storage import erasing as rows
from packshot.storage.backup import BackupUnusable
from packshot.storage.database import Reads, Tx
from packshot.storage.erasing import Erasable, Sought
from packshot.storage.folder import DATABASE
from packshot.storage.postgresql import PostgresqlDatabase
from packshot.storage.rewriting import rewrite
from packshot.storage.targets import Place

BATCH = 500
PATIENCE_S = 30.0
"""How long others may keep the database from being written anew."""

SHOWN = 20
_MINUTE = 60_000_000


class Erased(msgspec.Struct, frozen=True):
    """What went, by words; `keys` are those of the bytes. `kept`: the images that need some of the bytes, too.

    `elsewhere`: addresses with somebody else where files of it lie. `made_at`: when the first of it was made, in Unix
    microseconds. `given_up`: upkeep may have bytes of it to delete still, of which nobody knows that they were its.
    """

    counts: dict[str, int] = {}
    keys: list[str] = []
    kept: list[str] = []
    elsewhere: list[str] = []
    made_at: int = 0
    given_up: bool = False


class Finished(msgspec.Struct, frozen=True):
    """How many originals, renditions, copies of older databases and recorded calls were deleted.

    `rewritten`: whether the database's file holds nothing any more but its rows; PostgreSQL's own keep what was in them
    until it is written over.
    """

    originals: int
    renditions: int
    databases: int
    calls: int
    rewritten: bool


class Copies(msgspec.Struct, frozen=True):
    """Who has, or may have, what was erased, in sentences; `targets` are the places of backups among them."""

    told: list[str]
    targets: list[str]


async def find(core: Core, account_id: int, name: int | str) -> list[Erasable]:
    """The images with that id or guid, also in the trash, or given up so that only the audit log tells of them."""
    return await _find(core.db, account_id, name)


async def _find(reads: Reads, account_id: int, name: int | str) -> list[Erasable]:
    there = await rows.find_images(reads, account_id, name)
    told = await log.of_called(reads, account_id, name)
    for image_id in told.keys() - {image.id for image in there}:
        image, at = told[image_id]
        there.append(
            Erasable(
                image_id, image.guid, image.name, image.product_id,
                is_told=False, blob_id=None, created_at=at, hires_uri=None, given_up=True,
            )
        )  # fmt: skip
    return there


async def erase_images(core: Core, caller: Principal, images: Collection[Erasable]) -> Erased:
    """Take these images out of the database; `finish` has to follow.

    Whoever listens hears that those are deleted which were not in the trash, by their ids alone: an event must not keep
    for a month what was erased. Raises: Unavailable, StoreFull.
    """
    now = core.now()

    async def work(tx: Tx) -> Erased:
        counts, gone, kept = Counter[str](), [], []
        # What points at an account waits for whoever holds it like this, and he for that: an image that is on its way
        # into the trash or out of it would be in neither.
        await locks.hold(tx, "account", [caller.account_id], "UPDATE")
        # As they are now: since somebody was asked, they may have been thrown away, taken back or repaired.
        there = [one for image in images for one in await _find(tx, caller.account_id, image.id)]
        digests = {await rows.digest_of(tx, image.blob_id) for image in there if image.blob_id is not None}
        for image in there:
            counts.update(await rows.remove_image(tx, caller.account_id, image))
            counts["lines of the audit log blanked"] += await log.blank_image(tx, caller.account_id, image.id)
            await audit.note(tx, caller, "erased", [Touched(image.id, "", "", image.product_id)], now)
            if image.deletion_id is None and not image.given_up:
                await _tell(tx, caller, image, now)
        for digest in digests:
            gone += await rows.give_up(tx, caller.account_id, digest, now)
            kept += await rows.of_digest(tx, digest, SHOWN)
        await rows.begin(tx, now)
        counts["bytes of originals"] = sum(size_bytes for _, size_bytes in gone)
        return Erased(
            counts,
            [key for key, _ in gone],
            kept,
            elsewhere=[image.hires_uri for image in there if image.hires_uri],
            made_at=min(image.created_at for image in images),
            given_up=any(image.given_up for image in there),
        )

    return await core.db.write(work, makes_room=True)


async def _tell(tx: Tx, caller: Principal, image: Erasable, now: int) -> None:
    event = "PACKSHOT.IMAGE.ON.DELETE"
    for listener in await handlers.of_listeners(tx, caller.account_id, event) if image.is_told else ():
        await events.note(tx, caller, listener, image.product_id or -image.id, {"FIELDS": {"ID": image.id}}, now)
    if image.product_id is not None:
        await events.note_new_looks(tx, caller, [image.product_id], now)


async def erase_account(core: Core, caller: Principal, name: str) -> Erased:
    """Take the caller's account, which is called *name*, out of the database; `finish` has to follow.

    It is closed first and emptied in small steps, so that other accounts can be written to meanwhile; stopped on the
    way, it is an account that is closed, and can be erased. Raises: Unavailable, StoreFull.
    """
    account_id, now = caller.account_id, core.now()
    counts = await rows.count_held(core.db, account_id)

    async def close(tx: Tx) -> None:
        await accounts.set_state(tx, name, "closed")
        await rows.begin(tx, now)

    async def work(tx: Tx) -> None:
        counts["lines of the audit log blanked"] = await log.blank_account(tx, account_id)
        await audit.note(tx, caller, "erased", [Touched(0, "", "")], now)
        await rows.remove_account(tx, account_id, now)

    await core.db.write(close, makes_room=True)
    for table in ("image", "product", "trash"):
        while await core.db.write(
            partial(rows.clear_some, table=table, account_id=account_id, limit=BATCH), makes_room=True
        ):
            pass
    await core.db.write(work, makes_room=True)
    return Erased(counts, await left_keys(core))


async def left_keys(core: Core) -> list[str]:
    """The keys whose bytes are still to be deleted."""
    found: list[str] = []
    while batch := await rows.of_keys(core.db, found[-1] if found else "", BATCH):
        found += batch
    return found


async def is_finished(core: Core) -> bool:
    """Whether nothing is left to do of any erasure."""
    return await rows.newest(core.db) is None


async def finish(core: Core, folder: Path, forget_calls: Callable[[], int]) -> Finished:
    """Do what is left to do of all erasures in the store in *folder*; may be repeated.

    *forget_calls* deletes the calls that were recorded, and says how many. Raises: Unavailable, StoreFull.
    """
    number, path = await rows.newest(core.db), folder / DATABASE
    if number is None:
        return Finished(0, 0, 0, 0, rewritten=True)
    originals, renditions = await delete_bytes(core)
    databases, recorded = await asyncio.to_thread(rows.delete_older, path), forget_calls()
    if isinstance(core.db, PostgresqlDatabase):
        rewritten = True
        await core.db.vacuum()
    else:
        rewritten = await asyncio.to_thread(rewrite, path, PATIENCE_S)
    if rewritten:
        await core.db.write(partial(rows.end, number=number), makes_room=True)
    return Finished(originals, renditions, databases, recorded, rewritten)


async def delete_bytes(core: Core) -> tuple[int, int]:
    """Delete the originals that erasures have left, and what was made of them; return how many of either."""
    originals = renditions = 0
    while keys := await rows.of_keys(core.db, "", BATCH):
        for key in keys:
            await core.blobs.delete(key)  # first: then nothing more is made of it
            renditions += await core.renditions.forget(key)
        await core.db.write(partial(rows.forget_keys, keys=keys), makes_room=True)
        originals += len(keys)
    return originals, renditions


async def find_copies(
    core: Core, sought: Sought, keys: Collection[str], made_at: int = 0, mirror: Path | None = None
) -> Copies:
    """Look through all backups we know of, and the mirror, for what is sought and for bytes that had these keys.

    Of those that cannot be read, snapshots count that were taken after *made_at*.
    """
    digests = {key.partition(".")[0] for key in keys}
    told, places = [], []
    for target, known in (await rows.of_backups(core.db)).items():
        # A backup notes the time before it copies the database.
        late = {name for name, taken_at in known.items() if taken_at > made_at - _MINUTE}
        if found := await asyncio.to_thread(_in_backups, target, late, sought, digests):
            told += found
            places.append(target)
    if await rows.is_held(core.db, core.now()):
        told.append("A backup is being made and may come to hold it: give this command again once it is done")
    if mirror is not None:
        has_bytes = await asyncio.to_thread(rows.has_bytes, mirror, digests)
        told += [f"The mirror {mirror} has its bytes: delete them there"] if has_bytes else []
    return Copies(told, places)


def _in_backups(target: str, late: Collection[str], sought: Sought, digests: Collection[str]) -> list[str]:
    told = []
    try:
        there = targets.at(target)
        names = there.names()
        for name in sorted({*names, *late}):
            if name not in names:
                told.append(f"Snapshot {name} in {target} may hold it, and is not to be found there now")
            elif words := _in_snapshot(there, name, sought):
                told.append(f"Snapshot {name} in {target} {words}")
    except (OSError, BackupUnusable) as error:
        return [f"Snapshot {name} in {target} may hold it, and cannot be read: {error}" for name in sorted(late)]
    if not told and there.has_bytes(digests):
        told.append(f"The pictures in {target} have its bytes among them")
    return told


def _in_snapshot(there: Place, name: str, sought: Sought) -> str:
    try:
        with there.fetched(name) as snapshot:
            return "holds it" if rows.tells_of(snapshot / DATABASE, sought) else ""
    except BackupUnusable as error:
        return f"may hold it, and cannot be read: {error}"
