"""Where a store lives: its data folder, and the database and the place of its originals where those are elsewhere."""

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import obstore
from obstore.exceptions import BaseError

from packshot.domain.errors import Unavailable
from packshot.storage import copying, moves
from packshot.storage.blobs.disk import DiskBlobs, shared_folder
from packshot.storage.blobs.s3 import S3Blobs, open_bucket, reason
from packshot.storage.blobs.staging import Staging
from packshot.storage.copying import Address, Digest, End
from packshot.storage.folder import DATABASE, StoreUnusable, key_path
from packshot.storage.marks import find_mark
from packshot.storage.migrations import on_postgresql

SHARDS = tuple(f"{number:02x}" for number in range(256))


class Home(msgspec.Struct, frozen=True):
    """Without `database_url` rows are in a file of the folder; without `blobs_url` originals are there, too.

    `key_file` is where the key is, if not in the folder.
    """

    folder: Path
    database_url: str = ""
    blobs_url: str = ""
    key_file: str = ""

    @property
    def database(self) -> Address:
        """Where the rows are."""
        return self.database_url or self.folder / DATABASE

    @property
    def shelf(self) -> Path:
        """The folder that originals are in, unless they are in a bucket."""
        return Path(self.blobs_url.removeprefix("file://")) if self.blobs_url.startswith("file:") else self.folder

    @property
    def key(self) -> Path:
        """Where the key is."""
        return key_path(self.folder, self.key_file)


def of(store: Path | Home) -> Home:
    """The home of a store that has nothing outside of its folder, if that is all that is named."""
    return store if isinstance(store, Home) else Home(store)


class Shelf(NamedTuple):
    """The originals of a home. `sizes` gives those whose keys begin with two hex digits: bytes by key."""

    blobs: DiskBlobs | S3Blobs
    sizes: Callable[[str], Awaitable[dict[str, int]]]


def open_shelf(home: Home, threads: ThreadPoolExecutor) -> Shelf:
    """The originals at home; whoever adds some calls `blobs.prepare()` before. Raises: StoreUnusable."""
    staging = Staging(home.folder / "staging", threads, lambda _: None)
    root = shared_folder(home.blobs_url) if home.blobs_url.startswith("file:") else home.folder
    if home.blobs_url.startswith("s3:"):
        try:
            bucket = open_bucket(home.blobs_url)
        except (BaseError, ValueError) as error:
            raise StoreUnusable(f"{home.blobs_url} cannot be used: {reason(error)}") from error
        blobs: DiskBlobs | S3Blobs = S3Blobs(bucket, staging)

        async def sizes(shard: str) -> dict[str, int]:
            try:
                listed = obstore.list(bucket, f"blobs/{shard}")
                return {one["path"].rpartition("/")[2]: one["size"] async for batch in listed for one in batch}
            except BaseError as error:
                raise Unavailable("blob store") from error
    else:
        blobs = DiskBlobs(root, threads, lambda _: None)

        async def sizes(shard: str) -> dict[str, int]:
            return await staging.in_thread(lambda: _sizes(root / "blobs" / shard))

    return Shelf(blobs, sizes)


def _sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}


async def is_served(home: Home) -> bool:
    """Whether servers or commands work with a database of PostgreSQL's that we have not opened ourselves.

    Raises: CannotCopy.
    """
    return bool(home.database_url) and await copying.count_servers(home.database_url) > 0


async def require_free(home: Home) -> None:
    """See that the database may be filled: it is made, empty, or holds what was brought there last.

    Raises: StoreUnusable.
    """
    if home.database_url:
        await on_postgresql.create(home.database_url)
        if await is_served(home):
            raise StoreUnusable("a server or a command works with the database that is to be filled: stop it first")
    elif not (home.folder / DATABASE).exists():
        return
    async with copying.reading(home.database) as end:
        await _require_ours(end, home)


@asynccontextmanager
async def filling(home: Home) -> AsyncIterator[End]:
    """The database to be filled, see `copying.writing`; it may be filled still, and nobody changes it any more.

    A file of SQLite's is made anew: there it is the lock of the folder that keeps servers out, and nothing that keeps
    commands out.
    Raises: StoreUnusable.
    """
    async with copying.writing(home.database) as end:
        await _require_ours(end, home)
        yield end


async def _require_ours(end: End, home: Home) -> None:
    """Raises: StoreUnusable."""
    if await moves.is_empty(end.tx) or fingerprint(await copying.digests(end)) in (find_mark(home.folder) or ()):
        return
    raise StoreUnusable(
        "the database that the store is to be brought to holds another store, or was changed since the last move, as a"
        " server does that works with it: name an empty one, and nothing is lost"
    )


def fingerprint(rows: Mapping[str, Digest]) -> str:
    """What tells one state of a database from all others."""
    return hashlib.sha256(msgspec.json.encode(sorted(rows.items()))).hexdigest()
