"""Is everything as it should be? Rows against bytes, the database against itself, and what the cache takes."""

from collections.abc import AsyncIterator, Callable

import msgspec

from packshot.domain.errors import Unavailable
from packshot.domain.originals import EXTENSIONS
from packshot.services.core import Core
from packshot.storage import blob_rows, images
from packshot.storage.health import foreign_key_errors, integrity_errors

BATCH = 500
_WALLS = {"landlock": "Landlock", "seccomp": "seccomp", "own_network": "a network of their own"}
SHOWN = 5
MB = 1024 * 1024


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at: `ok`, and what was found in a sentence."""

    ok: bool
    what: str


async def examine(core: Core, progress: Callable[[int], None]) -> AsyncIterator[Finding]:
    """Look at the database, then at every blob. *progress* hears how many blobs have been looked at."""
    errors = [*await integrity_errors(core.db), *await foreign_key_errors(core.db)]
    yield Finding(not errors, f"database: {'; '.join(errors[:5]) or 'consistent'}")
    yield await _walls(core)
    async for finding in _blobs(core, progress):
        yield finding
    yield await _renditions(core)


async def _walls(core: Core) -> Finding:
    """What keeps a picture that takes an image worker over from anything else."""
    try:
        await core.workers.start()
    except Unavailable:
        return Finding(ok=False, what="image workers: none can be started, so no picture can be decoded")
    walls = {name: held for name, held in msgspec.structs.asdict(core.workers.walls).items() if held}
    names = ", ".join(_WALLS[name] for name in walls) or "memory and time only: this system offers nothing more"
    return Finding(ok=True, what=f"image workers: shut in by {names}")


async def _renditions(core: Core) -> Finding:
    count, held_bytes = await core.renditions.measure()
    limit_mb = round(core.pictures.cache_bytes / MB)
    return Finding(ok=True, what=f"renditions: {count} files, {held_bytes / MB:.1f} of {limit_mb} MB at most")


async def _wrong(core: Core, blob_id: int, key: str, size_bytes: int, state: str) -> str | None:
    """What is wrong with a blob in a sentence: live bytes have to be there, and nothing points at others."""
    actual = await core.blobs.find_size(key) if state == "live" else None
    if actual == size_bytes:
        return None
    shown = ", ".join(await images.of_blob(core.db, blob_id, SHOWN))
    if state != "live" and not shown:
        return None
    lost = "is missing" if actual is None else f"has {actual} bytes instead of {size_bytes}"
    what = lost if state == "live" else f"is {state}"
    return f"blob {key} {what} ({shown or 'no image'}): upload the picture again, or restore it"


async def _blobs(core: Core, progress: Callable[[int], None]) -> AsyncIterator[Finding]:
    seen, after = 0, 0
    findings = 0
    known: set[str] = set()
    while batch := await blob_rows.of_blobs(core.db, after, BATCH):
        for blob_id, key, size_bytes, state in batch:
            known.add(key)
            if wrong := await _wrong(core, blob_id, key, size_bytes, state):
                findings += 1
                yield Finding(ok=False, what=wrong)
        seen, after = seen + len(batch), batch[-1][0]
        progress(seen)
    if not findings:
        yield Finding(ok=True, what=f"blobs: {seen} rows, every live one has its bytes")
    strangers = [key for key in await core.blobs.of_keys(0) if key not in known]
    hours = core.upkeep.grace_s // 3600
    yield Finding(ok=True, what=f"files without a row: {len(strangers)} (swept once they are {hours} hours old)")
    formats = await blob_rows.count_formats(core.db)
    unknown = formats.keys() - EXTENSIONS.keys()
    counted = ", ".join(f"{count} {EXTENSIONS.get(name, name)}" for name, count in formats.items())
    yield Finding(not unknown, f"formats: {counted or 'no pictures yet'}")
