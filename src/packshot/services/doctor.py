"""Is everything as it should be? Rows against bytes, the database against itself, and what the cache takes."""

from collections.abc import AsyncIterator, Callable

import msgspec

from packshot import __version__
from packshot.domain.errors import Unavailable
from packshot.domain.originals import EXTENSIONS
from packshot.services import nodes, upkeep
from packshot.services.core import Core
from packshot.services.verify import Finding, verify
from packshot.storage import blob_rows

_WALLS = {"landlock": "Landlock", "seccomp": "seccomp", "own_network": "a network of their own"}
MB = 1024 * 1024


async def examine(core: Core, progress: Callable[[int], None]) -> AsyncIterator[Finding]:
    """Verify the store, and look around it. *progress* hears the id of each blob that was looked at."""
    async for finding in verify(core, progress, full=False):
        yield finding
    yield _reserve(core)
    for finding in await _nodes(core):
        yield finding
    yield await _walls(core)
    async for finding in _files(core):
        yield finding
    yield await _renditions(core)


async def _nodes(core: Core) -> list[Finding]:
    """The servers of the store, where there may be several."""
    if core.db.dialect == "sqlite":
        return []
    seen = await nodes.of_seen(core)
    shown = ", ".join(f"{node.id} (packshot {node.version})" for node in seen) or "none"
    versions = {node.version for node in seen} | {__version__}
    mixed = "; not all have this command's version: finish the upgrade" if len(versions) > 1 else ""
    return [Finding(ok=True, what=f"servers seen within a minute: {shown}{mixed}")]


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


def _reserve(core: Core) -> Finding:
    """What the disk has set aside for deleting; it is out only while the disk is full."""
    if core.reserve.is_out():
        needed_mb = 1.25 * core.reserve.size_bytes / MB
        return Finding(ok=False, what=f"reserve: given up, the disk is full; {needed_mb:.0f} MB have to be free")
    held_bytes = core.reserve.held_bytes()
    held = f"{held_bytes / MB:.0f} MB set aside for deleting" if held_bytes else "nothing is set aside for deleting"
    return Finding(ok=True, what=f"reserve: {held}")


async def _files(core: Core) -> AsyncIterator[Finding]:
    strangers = [key async for key in upkeep.strangers(core, 0)]
    hours = core.upkeep.grace_s // 3600
    yield Finding(ok=True, what=f"files without a row: {len(strangers)} (swept once they are {hours} hours old)")
    formats = await blob_rows.count_formats(core.db)
    unknown = formats.keys() - EXTENSIONS.keys()
    counted = ", ".join(f"{count} {EXTENSIONS.get(name, name)}" for name, count in formats.items())
    yield Finding(not unknown, f"formats: {counted or 'no pictures yet'}")
