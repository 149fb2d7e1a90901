"""The servers that share a store in PostgreSQL, its nodes: who there is, what they agree on, and who does what for all.

Where the store is a file it has one server, and little of this is asked for.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

import structlog

from packshot import __version__
from packshot.domain.errors import PackshotError
from packshot.services.core import DAY_S, Core
from packshot.storage import jobs
from packshot.storage import nodes as rows
from packshot.storage.database import Tx
from packshot.storage.folder import StoreUnusable
from packshot.storage.nodes import Node

Result = TypeVar("Result")

BEAT_S = 10.0
SEEN_S = 60
"""A node that said nothing for so long is taken for one that was killed."""

LEASE_S = 30.0
"""How long a job waits for a node that has it and was killed."""

_SECOND = 1_000_000

_log = structlog.get_logger("packshot.nodes")


class Disagreement(StoreUnusable):
    """A setting is another one here than on the servers of the same store."""

    def __init__(self, name: str, here: str, agreed: str, running: str) -> None:
        super().__init__(
            f"{name} is {here!r} here and {agreed!r} for {running}: this would lose or show what"
            " it must not. Set it alike; to change it, stop all servers of this store (one that was killed counts for a"
            " minute more) and start them with the new value: the first one to start sets it"
        )


async def join(core: Core, wanted: Mapping[str, str]) -> None:
    """Become a node. The first one says which settings all have to have, which are *wanted*, and others keep to that.

    Raises:
        Disagreement, Unavailable.
    """
    core.node_counts["seen"] = 1
    if core.db.dialect == "sqlite":
        return

    async def work(tx: Tx) -> int:
        await rows.hold(tx)
        others = [node.id for node in await rows.of_seen(tx, SEEN_S * _SECOND) if node.id != core.node]
        known = await rows.agreed(tx) if others else {}
        _compare(known, wanted, f"the running {', '.join(others)}")
        await rows.agree(tx, {**wanted, **known})  # another version may know of more or fewer
        await rows.forget_unseen(tx, DAY_S * _SECOND)
        await rows.say(tx, core.node, __version__)
        return len(others) + 1

    core.node_counts["seen"] = await core.db.write(work)


async def require_agreement(core: Core, wanted: Mapping[str, str]) -> None:
    """See that a command works with what the nodes agreed on. Raises: Disagreement, Unavailable."""
    if core.db.dialect == "postgresql":
        _compare(await rows.agreed(core.db), wanted, "the servers of this store")


def _compare(agreed: Mapping[str, str], wanted: Mapping[str, str], running: str) -> None:
    for name, value in wanted.items():
        if agreed.get(name, value) != value:
            raise Disagreement(name, value, agreed[name], running)


async def stay(core: Core, wanted: Mapping[str, str], stop: Callable[[], None]) -> None:
    """Say every ten seconds that this node is there, until cancelled.

    *stop* is called where others, who have not seen it for a while, have agreed on something else meanwhile.
    """

    async def work(tx: Tx) -> int:
        _compare(await rows.agreed(tx), wanted, "the servers that started meanwhile")
        # Not as by `join`: one that comes too late, after `leave`, brings nobody back.
        return len(await rows.of_seen(tx, SEEN_S * _SECOND)) if await rows.say_again(tx, core.node) else 0

    while core.db.dialect == "postgresql":
        await asyncio.sleep(BEAT_S)
        try:
            if seen := await core.db.write(work):
                core.node_counts["seen"] = seen
            else:
                await join(core, wanted)
        except Disagreement as error:
            _log.critical("stopping", why=str(error))
            stop()
            return
        except PackshotError as error:
            _log.warning("nobody can be told that this node is there", why=str(error))
        except Exception:  # noqa: BLE001 - a bug here must not end the server
            _log.error("nobody can be told that this node is there", exc_info=True)


async def leave(core: Core) -> None:
    """Say that this node has stopped; where that fails, nobody sees it within a minute anyhow."""
    if core.db.dialect == "postgresql":
        with contextlib.suppress(PackshotError):
            await core.db.write(partial(rows.forget, node_id=core.node))


async def of_seen(core: Core) -> list[Node]:
    """The nodes that were seen within the last minute."""
    return await rows.of_seen(core.db, SEEN_S * _SECOND)


async def once(core: Core, name: str, every_s: float, work: Callable[[int], Awaitable[Result]]) -> Result | None:
    """Do the job of that name, for all nodes and once in *every_s*; None where another one does it or did.

    *work* hears how often it was begun before, also where that failed; it is cut off where this node may have lost the
    job to another one, and may be repeated after that. Raises: Unavailable, and whatever the work raises.
    """
    loop = asyncio.get_running_loop()
    began, lease_us = loop.time(), int(LEASE_S * _SECOND)
    times = await core.db.write(partial(jobs.take, name=name, node=core.node, for_us=lease_us), makes_room=True)
    if times is None:
        return None
    if core.db.dialect == "sqlite":
        return await work(times)
    lease = asyncio.timeout_at(began + LEASE_S)
    try:
        async with lease:
            keeping = asyncio.ensure_future(_keep(core, name, lease))
            try:
                done = await work(times)
            finally:
                keeping.cancel()
    except TimeoutError:
        if not lease.expired():
            raise
        _log.warning("the job was lost, and is begun again when it is due", job=name)
        return None
    rest_us = max(int((every_s - (loop.time() - began)) * _SECOND), 0)
    await core.db.write(partial(jobs.end, name=name, node=core.node, for_us=rest_us))
    return done


async def _keep(core: Core, name: str, lease: asyncio.Timeout) -> None:
    """Prolong the lease until cancelled; where another node has the job, it is over now."""
    loop, lease_us = asyncio.get_running_loop(), int(LEASE_S * _SECOND)
    while True:
        await asyncio.sleep(LEASE_S / 6)
        asked = loop.time()
        with contextlib.suppress(PackshotError):
            kept = await core.db.write(partial(jobs.keep, name=name, node=core.node, for_us=lease_us))
            if lease.expired():
                return
            lease.reschedule(asked + LEASE_S if kept else asked)
