"""A blob store that lets a test act between the steps of others; steps of upkeep; and looks at a store."""

import asyncio
import dataclasses
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Literal, NamedTuple, cast

import obstore
from obstore.store import S3Store

from build import Clock, make_image
from packshot.domain.access import Principal
from packshot.domain.originals import Original
from packshot.services import images, upkeep
from packshot.services.core import Core, TrashSettings, UpkeepSettings
from packshot.storage import images as image_rows
from packshot.storage.blobs import BlobStore, Bytes, Staged
from packshot.storage.blobs.disk import DiskBlobs

Moment = Literal["before put", "after put", "after look-up", "before scan", "before delete", "after delete"]
Act = Callable[[], Awaitable[object]]


class Moments:
    """The store *inside*, with one act at each moment; an act runs once, and the store does as ever beside it."""

    def __init__(self, inside: BlobStore, **acts: Act) -> None:
        self._inside = inside
        self._acts = {name.replace("_", " ").replace("look up", "look-up"): act for name, act in acts.items()}

    async def _now(self, moment: Moment) -> None:
        act = self._acts.pop(moment, None)
        if act is not None:
            await act()

    async def put(self, key: str, data: Bytes | Staged) -> None:
        await self._now("before put")
        await self._inside.put(key, data)
        await self._now("after put")

    def stage(self) -> Staged:
        return self._inside.stage()

    async def append(self, staged: Staged, piece: Bytes) -> None:
        await self._inside.append(staged, piece)

    def view(self, staged: Staged) -> memoryview:
        return self._inside.view(staged)

    def opened(self, staged: Staged) -> FileIO:
        return self._inside.opened(staged)

    async def discard(self, staged: Staged) -> None:
        await self._inside.discard(staged)

    async def find_size(self, key: str) -> int | None:
        found = await self._inside.find_size(key)
        await self._now("after look-up")
        return found

    async def delete(self, key: str) -> None:
        await self._now("before delete")
        await self._inside.delete(key)
        await self._now("after delete")

    async def file(self, key: str) -> FileIO:
        return await self._inside.file(key)

    async def read(self, key: str, start: int, end: int) -> bytes:
        return await self._inside.read(key, start, end)

    def location(self, key: str) -> str | None:
        return self._inside.location(key)

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        async for piece in self._inside.stream(key, start, end):
            yield piece

    async def scan(self, key: str) -> AsyncIterator[bytes]:
        await self._now("before scan")
        async for piece in self._inside.scan(key):
            yield piece

    def presigned(self, key: str, answer: Mapping[str, str]) -> str | None:
        return self._inside.presigned(key, answer)

    def scan_copy(self, key: str) -> AsyncIterator[bytes]:
        return self._inside.scan_copy(key)

    async def of_keys(self, older_than_s: float, after: str = "", limit: int | None = None) -> list[str]:
        return await self._inside.of_keys(older_than_s, after, limit)

    async def sweep_staging(self, older_than_s: float) -> int:
        return await self._inside.sweep_staging(older_than_s)


def with_moments(core: Core, **acts: Act) -> Core:
    """The core over the same store, where each act runs once at its moment (`after_look_up=...`)."""
    return dataclasses.replace(core, blobs=Moments(core.blobs, **acts))


def with_ages(core: Core, young_s: int = 0, retention_s: int = 0, grace_s: int = 86_400, keep_s: int = 0) -> Core:
    """The core with these upkeep settings, and a trash that keeps nothing unless it is told to."""
    upkeep = UpkeepSettings(young_s=young_s, retention_s=retention_s, grace_s=grace_s)
    return dataclasses.replace(core, upkeep=upkeep, trash=TrashSettings(keep_s))


async def original_of(core: Core, account_id: int, image_id: int) -> Original:
    """The original behind an image."""
    original = await image_rows.find_original(core.db, account_id, image_id)
    assert original is not None
    return original


async def bytes_of(core: Core, account_id: int, image_id: int) -> bytes:
    """What a download of the image gives: bytes that are really there."""
    original = await original_of(core, account_id, image_id)
    assert original.intact
    return await core.blobs.read(original.key, 0, original.size_bytes)


class Object(NamedTuple):
    """An original in a bucket, with as much of a file as most tests ask for that damage one."""

    bucket: S3Store
    name: str

    @property
    def place(self) -> str:
        return f"blobs/{self.name[:2]}/{self.name}"

    def read_bytes(self) -> bytes:
        return bytes(obstore.get(self.bucket, self.place).bytes())

    def write_bytes(self, data: bytes) -> None:
        obstore.put(self.bucket, self.place, data)

    def unlink(self) -> None:
        obstore.delete(self.bucket, self.place)


def path_of(core: Core, key: str) -> Path:
    """Where a key's bytes lie."""
    if isinstance(core.blobs, DiskBlobs):
        return core.blobs.path(key)
    return cast("Path", Object(vars(core.blobs)["_bucket"], key))


def copy_all(core: Core, mirror: Path) -> None:
    """Make a second copy of all originals."""
    if isinstance(core.blobs, DiskBlobs):
        shutil.copytree(core.blobs.path("00").parents[1], mirror)
        return
    bucket: S3Store = vars(core.blobs)["_bucket"]
    for one in (one for batch in obstore.list(bucket, prefix="blobs") for one in batch):
        path = mirror / one["path"].removeprefix("blobs/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(obstore.get(bucket, one["path"]).bytes())


async def blob_states(core: Core) -> list[str]:
    """The states of all blobs, by id."""
    return [row[0] for row in await core.db.all("SELECT state FROM blob ORDER BY id")]


async def keys_of(core: Core) -> set[str]:
    """All keys that lie in the store."""
    return set(await core.blobs.of_keys(0))


async def make_orphan(core: Core, caller: Principal, product_id: int, data: bytes) -> str:
    """The key of bytes that nothing points at any more."""
    image = await make_image(core, caller, product_id, data)
    key = (await original_of(core, caller.account_id, image.id)).key
    await images.remove_from_product(core, caller, product_id, image.id)
    await upkeep.empty_trash(with_ages(core))
    return key


def age(path: Path, seconds: float) -> None:
    """Make a file older."""
    then = time.time() - seconds
    os.utime(path, (then, then))


async def dooming(core: Core, clock: Clock) -> int:
    """Empty the trash, and doom in the next second."""
    await upkeep.empty_trash(with_ages(core))
    clock.advance(1)
    return await upkeep.doom(core)


async def reaping(core: Core, clock: Clock) -> int:
    """Reap in the next second."""
    clock.advance(1)
    return await upkeep.reap(core)


async def upkeep_of_everything(core: Core, clock: Clock) -> None:
    """Whatever nothing points at is gone afterwards, where the ages are zero."""
    clock.advance(1)
    await upkeep.run_once(core)
    clock.advance(1)
    await upkeep.run_once(core)


async def settled(core: Core) -> None:
    """Wait until nothing is left to do that nobody waits for."""
    while core.making.waiting:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
