"""Backups of a serving store into a folder or a bucket, one whole snapshot after the other, and stores made of them.

Blobs never change, so order is all that matters: hold what may be deleted, copy the database, then copy the blobs that
the copy names, and only then let the snapshot be seen.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from packshot import __version__
from packshot.domain.errors import StoreFull, Unavailable
from packshot.services import keyring
from packshot.services.copies import AT_ONCE, Copied, copy_blob, held
from packshot.services.core import Core
from packshot.storage import backup as rows
from packshot.storage import blob_rows, copying, erasing, homes, images, marks, migrations, snapshots, targets
from packshot.storage.backup import BackupUnusable
from packshot.storage.blobs import BlobStore
from packshot.storage.blobs.s3 import reason
from packshot.storage.copying import Address
from packshot.storage.database import Database
from packshot.storage.folder import DATABASE, KEY_FILE, Sealer, flush
from packshot.storage.homes import Home
from packshot.storage.snapshots import MANIFEST, Manifest, Target
from packshot.storage.sqlite import open_sqlite
from packshot.storage.targets import Place

PAGE = 10_000
"""How many names of blobs are looked at before the next are asked for."""

SHOWN = 5
_NAME = "%Y-%m-%dT%H%M%SZ"
_SECOND = 1_000_000

Told = Callable[[str, int, int], None]
"""Hears what is being copied, how much of it is done, and how much there is."""


class Backup(msgspec.Struct, frozen=True):
    """A new snapshot, with what it holds, and how many old snapshots and unneeded blobs were removed for it."""

    snapshot: str
    counts: dict[str, int]
    blobs: Copied
    snapshots_removed: int
    blobs_removed: int


class Restored(msgspec.Struct, frozen=True):
    """A store made of a snapshot, and the number of its restore epoch.

    `lost_before`: how many blobs were lost already when the snapshot was taken.
    """

    snapshot: str
    epoch: int
    blobs: Copied
    lost_before: int


async def back_up(core: Core, store: Path | Home, target: str | Path, keep: int | None, told: Told) -> Backup:
    """Add a snapshot of the store in that folder or home to those in *target*; *keep* that many of them, or all.

    Its database is a file of SQLite's, also where that of the store is in PostgreSQL.
    *target* is a folder or an address like `s3://bucket/prefix`. Everything acknowledged before is in it, and nothing
    half-done. A server may go on serving meanwhile. Killed at any moment it leaves the snapshots that were there; the
    next one goes on with the blobs that were copied.

    Raises:
        BackupUnusable: *target* cannot be used or written to, or the database is damaged.
        Unavailable: the store cannot be written to.
    """
    there, home = targets.at(target), homes.of(store)
    _require_apart(there, home)
    with there.held(), there.opened(core.threads) as blobs:
        _require_ours(there, home)
        blobs.prepare()
        await blobs.sweep_staging(0)
        async with held(core):
            name, manifest, copied = await _take(core, home, (there, blobs), told)
            place, at = there.place, manifest.taken_at
            await core.db.write(partial(erasing.note_backup, target=place, name=name, at=at), makes_room=True)
        old = there.names()[:-keep] if keep else []
        for one in old:
            there.remove(one)
            await core.db.write(partial(erasing.forget_backup, target=place, name=one), makes_room=True)
        removed = await _prune(there, blobs) if keep else 0
    return Backup(name, manifest.counts, copied, len(old), removed)


def _require_apart(there: Place, home: Home) -> None:
    """See that the originals of a backup are not those of the store, which deletes its own. Raises: BackupUnusable."""
    if isinstance(there, Target):
        place = there.folder.resolve()
        is_inside = any(place.is_relative_to(folder.resolve()) for folder in (home.folder, home.shelf))
    else:
        is_inside = there.place == home.blobs_url.rstrip("/")
    if is_inside:
        raise BackupUnusable(f"{there} is in the store itself, and would be lost with it: name another place")


def _require_ours(there: Place, home: Home) -> None:
    """Raises: BackupUnusable."""
    for name in there.names()[-1:]:
        if targets.key_of(there, name) != home.key.read_bytes():
            raise BackupUnusable(f"{there} holds the backups of another store: name another place")


async def _take(core: Core, home: Home, target: tuple[Place, BlobStore], told: Told) -> tuple[str, Manifest, Copied]:
    there, blobs = target
    taken_at = core.now()
    name, key = _next_name(there, taken_at), home.key.read_bytes()
    with _writing_to(str(there)), there.making(name) as place:
        path = place / DATABASE
        await _copy_database(home.database, path, told)
        async with _opened(path) as db:
            copied = await _copy_all(db, core.blobs, blobs, told)
            counts, epoch = await rows.count_rows(db), await rows.find_epoch(db)
        manifest = Manifest(
            format=snapshots.FORMAT,
            taken_at=taken_at,
            packshot=__version__,
            migration=migrations.steps()[-1][0],
            epoch=epoch,
            digest=await asyncio.to_thread(_sealed, path),
            blobs=copied.blobs,
            lost=len(copied.lost),
            counts=counts,
        )
        snapshots.write(place / KEY_FILE, key)
        snapshots.write(place / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return name, manifest, copied


async def _copy_database(source: Address, path: Path, told: Told) -> None:
    """Raises: BackupUnusable, CannotCopy."""
    if isinstance(source, Path):
        await asyncio.to_thread(rows.copy_database, source, path, partial(told, "pages of the database"))
    else:
        async with copying.writing(path) as copy, copying.reading(source) as database:
            await copying.copy(database, copy, partial(told, "rows of the database"))


def _next_name(there: Place, taken_at: int) -> str:
    """The time, or the second after the newest snapshot: by their names it is told which came last."""
    name = datetime.fromtimestamp(taken_at // _SECOND, UTC).strftime(_NAME)
    for newest in there.names()[-1:]:
        after = datetime.strptime(newest, _NAME).replace(tzinfo=UTC) + timedelta(seconds=1)
        name = max(name, after.strftime(_NAME))
    return name


def _sealed(path: Path) -> str:
    rows.seal(path)
    flush(path)
    return snapshots.digest_of(path)


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Database]:
    with rows.explaining(f"{path} cannot be opened"):
        db = open_sqlite(path, lambda _: None)
    try:
        yield db
    finally:
        await db.close()


async def _copy_all(db: Database, source: BlobStore, target: BlobStore, told: Told) -> Copied:
    """Copy the blobs of a copied database that *target* lacks; those that are lost are marked in it as corrupt.

    Of those that were corrupt before, either side may have the good bytes, which upkeep then finds.

    Raises: BackupUnusable.
    """
    total, seen, after = await rows.count_wanted(db), 0, 0
    sizes: list[int] = []
    lost: list[str] = []
    while batch := await blob_rows.walk(db, after, AT_ONCE):
        after, wanted = batch[-1].id, [blob for blob in batch if blob.state != "doomed"]
        done = await asyncio.gather(*(_copy(source, target, blob.key, blob.size_bytes) for blob in wanted))
        for blob, copied_bytes in zip(wanted, done, strict=True):
            if copied_bytes is None and blob.state == "live":
                await db.write(partial(blob_rows.mark_corrupt, blob_id=blob.id))
                shown = ", ".join(await images.of_blob(db, blob.id, SHOWN))
                lost.append(f"blob {blob.key} is missing or damaged ({shown or 'no image'})")
        sizes += [size for size in done if size]
        seen += len(wanted)
        told("blobs", seen, total)
    return Copied(total, len(sizes), sum(sizes), tuple(lost))


async def _copy(source: BlobStore, target: BlobStore, key: str, size_bytes: int) -> int | None:
    """How many bytes were copied; None where the source has others, or none.

    0 where *target* has so many under that key already: they are not read, what stores do with them is for a scrub.
    """
    if await target.find_size(key) == size_bytes:
        return 0
    return size_bytes if await copy_blob(source, target, key, size_bytes) else None


@contextmanager
def _writing_to(place: str) -> Iterator[None]:
    try:
        yield
    except (StoreFull, Unavailable, OSError) as error:
        raise BackupUnusable(f"{place} cannot be written to: {reason(error)}") from error


async def _prune(there: Place, blobs: BlobStore) -> int:
    """Delete the blobs that no snapshot names; return how many. Raises: BackupUnusable."""
    count = 0
    with targets.naming(there) as is_named:
        after = ""
        while keys := await blobs.of_keys(0, after, PAGE):
            for key in keys:
                if not is_named(key):
                    await blobs.delete(key)
                    count += 1
            after = keys[-1]
    return count


async def restore(
    target: str | Path, store: Path | Home, snapshot: str | None, now: int, told: Told, *, despite_damage: bool = False
) -> Restored:
    """Make a store in that empty folder or home of a snapshot in *target*, the newest one if none is named.

    Its database has to be empty; in a bucket or a shared folder there may be blobs already, of which only the size is
    looked at. Every live blob that is brought there has its digest, or nothing is left in the folder. *despite_damage*
    takes what there is: images whose bytes are lost are answered as unavailable until somebody uploads them again. Ids
    that may have been handed out since the snapshot are never used again. The key comes last: without it nobody can
    open the rest. After a kill the next one goes on with the blobs that were copied.

    Raises:
        BackupUnusable: the folder is not empty, another key is in the place of its key, or the backup is damaged, of a
            newer version, or none at all.
        KeyLost: the snapshot's key is not the one that its secrets are sealed with.
    """
    there, home = targets.at(target), homes.of(store)
    _require_apart(there, home)
    folder = home.folder
    name = _chosen(there, snapshot)
    manifest = targets.find_manifest(there, name)
    if manifest.migration > migrations.steps()[-1][0]:
        raise BackupUnusable(
            f"snapshot {name} was made by Packshot {manifest.packshot}, a newer version: restore it with that one"
        )
    _require_no_other_key(there, name, home)
    with snapshots.filling(folder), _writing_to(str(folder)), there.fetched(name) as kept:
        path = folder / f"{DATABASE}.part"
        if not (kept / DATABASE).exists():
            raise BackupUnusable(f"the database of snapshot {name} is lost: restore another one with --snapshot")
        await asyncio.to_thread(shutil.copyfile, kept / DATABASE, path)
        if await asyncio.to_thread(snapshots.digest_of, path) != manifest.digest:
            raise BackupUnusable(f"the database of snapshot {name} is damaged: restore another one with --snapshot")
        migrations.prepare(path)
        source = (there, name, kept, manifest.taken_at)
        await homes.require_free(home)
        copied, epoch = await _bring_back(source, home, path, now, told, despite_damage=despite_damage)
        await asyncio.to_thread(_sealed, path)
        snapshots.write(folder / f"{KEY_FILE}.part", targets.key_of(there, name))
        if home.database_url:
            await _fill(path, home, told)
        else:
            path.rename(folder / DATABASE)
        flush(folder)
        (folder / f"{KEY_FILE}.part").rename(folder / KEY_FILE)
        flush(folder)
    return Restored(name, epoch, copied, manifest.lost)


def _require_no_other_key(there: Place, name: str, home: Home) -> None:
    """Raises: BackupUnusable."""
    if home.key_file and home.key.exists() and home.key.read_bytes() != targets.key_of(there, name):
        raise BackupUnusable(
            f"{home.key} is not the key of snapshot {name}: name another file by keys.file (PACKSHOT_KEYS_FILE)"
        )


async def _fill(path: Path, home: Home, told: Told) -> None:
    """Bring the rows of a file, which goes, into PostgreSQL. Raises: StoreUnusable."""
    async with homes.filling(home) as end:
        async with copying.reading(path) as copy:
            made = await copying.copy(copy, end, partial(told, "rows of the database"))
        marks.add_to_mark(home.folder, homes.fingerprint(made))
    path.unlink()  # noqa: ASYNC240 - nobody else waits for the loop
    marks.drop_mark(home.folder)


def _chosen(there: Place, snapshot: str | None) -> str:
    """Raises: BackupUnusable."""
    names = there.names()
    if not names:
        raise BackupUnusable(f"there is no backup in {there}")
    if snapshot and snapshot not in names:
        raise BackupUnusable(f"there is no snapshot {snapshot} in {there}: there are {', '.join(names)}")
    return snapshot or names[-1]


async def _bring_back(
    source: tuple[Place, str, Path, int], home: Home, path: Path, now: int, told: Told, *, despite_damage: bool
) -> tuple[Copied, int]:
    """Copy the blobs of a copied database at *path* to their new home, and begin an epoch in it."""
    there, name, kept, taken_at = source
    with ThreadPoolExecutor(AT_ONCE) as threads, there.opened(threads) as copies:
        blobs = homes.open_shelf(home, threads).blobs
        blobs.prepare()
        async with _opened(path) as db:
            await keyring.signing_keys(db, Sealer(kept), now)
            copied = await _copy_all(db, copies, blobs, told)
            if copied.lost and not despite_damage:
                shown = "; ".join(copied.lost[:SHOWN])
                raise BackupUnusable(
                    f"{len(copied.lost)} blobs of snapshot {name} are damaged, and nothing was restored: {shown}."
                    " Restore another one with --snapshot, or with --despite-damage what is left of this one"
                )
            await db.write(partial(erasing.note_backup, target=there.place, name=name, at=taken_at))
            return copied, await db.write(partial(rows.begin_epoch, taken_at=taken_at, now=now))
