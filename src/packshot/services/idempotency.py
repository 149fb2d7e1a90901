"""Calls that come with a key are done once: a repetition gets what the first one came to.

A claim is committed before the work begins, and what the work comes to along with it. So a call is either done and
known to be, or not done at all: then its key is free again at once where it failed, after the lease where its process
died.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, get_type_hints

import msgspec

from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, InvalidValue, KeyReused, PackshotError, StillRunning
from packshot.services.core import Core
from packshot.storage import idempotency
from packshot.storage.database import Database, Tx, Work
from packshot.storage.erasing import ERASED
from packshot.storage.idempotency import Claim, Kept, Place

HEADER = b"idempotency-key"

LEASE_S = 60
"""How long a call is left in peace; one that takes longer may be overtaken by its repetition, and is undone then."""

_SECOND = 1_000_000
_KEY = re.compile(rb"[!-~]{1,255}")
_ANOTHER_VERSION = "This call was done by another version of Packshot, which kept its result in another form"
_ERASED = "This call was done, and what came of it has been erased"

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class Key(msgspec.Struct, frozen=True):
    """The key that a caller gave to a call of *method*. `place` is empty for a call that comes alone."""

    text: str
    method: str
    place: str = ""

    def of_command(self, index: int, method: str) -> "Key":
        """The key of the command at that place of this batch."""
        return Key(self.text, method, f"{self.method} {index}")


def key_of(header: bytes | None, method: str) -> Key | None:
    """The key in a header, if there is one. Raises: InvalidValue."""
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise InvalidValue("Idempotency-Key", "has to be 1 to 255 visible ASCII characters")
    return Key(header.decode("ascii"), method)


async def once(
    core: Core,
    caller: Principal,
    key: Key,
    said: Any,
    run: Callable[Concatenate[Core, Principal, Arguments], Awaitable[Result]],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """What *run* returns for these arguments, or returned when the account made the same call with this key before.

    *said* is what tells the call from others: JSON values. *run* writes at most one work that matters, the first one,
    and returns what that returns, of the type that it declares. Where it fails nothing is kept, and the key is free.

    Raises:
        KeyReused: the key belongs to a call that said something else.
        StillRunning: the call is being done.
        Conflict: what is kept cannot be read by this version.
        PackshotError: whatever *run* raises.
    """
    digest = await asyncio.get_running_loop().run_in_executor(core.threads, _digest, key.method, said)
    taken = await _take(core, Place(caller.account_id, key.place or key.method, key.text), digest)
    if isinstance(taken, str):
        return _decoded(run, taken)
    db = _Keeping(core.db, taken)
    try:
        result = await run(dataclasses.replace(core, db=cast("Database", db)), caller, *arguments, **named)
        if not db.has_kept:
            await db.write(partial(_nothing, result=result), makes_room=True)
    except Exception:
        with contextlib.suppress(PackshotError):  # then the lease sets it free
            await core.db.write(partial(idempotency.release, claim=taken), makes_room=True)
        raise
    return result


async def _take(core: Core, place: Place, digest: bytes) -> Claim | str:
    """What the call came to, or else the right to do it."""

    async def work(tx: Tx) -> Claim | str:
        now = core.now()
        lease_ends_at = now + LEASE_S * _SECOND
        expires_at = max(now + core.idempotency.keep_s * _SECOND, lease_ends_at)
        there = await idempotency.hold(tx, place)
        new = Kept(digest, lease_ends_at, expires_at)
        return _kept(there, digest, now) or await idempotency.claim(tx, place, new, over=there is not None)

    if kept := _kept(await idempotency.find(core.db, place), digest, core.now()):
        return kept  # without a flush
    return await core.db.write(work, makes_room=True)  # of a deletion, for all that is known here


class _Keeping:
    """The database for one call: its first work keeps what it comes to, or is undone where the claim is lost."""

    def __init__(self, inside: Database, claim: Claim) -> None:
        self._inside = inside
        self._claim = claim
        self.has_kept = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def write(self, work: Work[Result], *, makes_room: bool = False) -> Result:
        """As that of the one inside. Raises: StillRunning, when somebody else claimed the key meanwhile."""
        if self.has_kept:
            return await self._inside.write(work, makes_room=makes_room)

        async def keeping(tx: Tx) -> Result:
            result = await work(tx)
            if not await idempotency.keep(tx, self._claim, msgspec.json.encode(result).decode()):
                raise StillRunning
            return result

        result = await self._inside.write(keeping, makes_room=makes_room)
        self.has_kept = True
        return result


async def _nothing(_: Tx, result: Result) -> Result:
    return result


def _digest(method: str, said: Any) -> bytes:
    return hashlib.sha256(msgspec.json.encode([method, said], order="deterministic")).digest()


def _kept(there: Kept | None, digest: bytes, now: int) -> str | None:
    """The result of the call, None where it is to be done. Raises: KeyReused, StillRunning."""
    if there is None or there.expires_at <= now:
        return None
    # A lease that ends much later than any that begins now is one of a clock that was put back since; those of other
    # servers may be a little ahead.
    is_leased = now < there.lease_ends_at <= now + 2 * LEASE_S * _SECOND
    if there.result is None and not is_leased:
        return None
    if there.digest != digest:
        raise KeyReused
    if there.result is None:
        raise StillRunning
    return there.result


def _decoded(run: Callable[..., Awaitable[Result]], kept: str) -> Result:
    if kept == ERASED:
        raise Conflict(_ERASED)
    try:
        result: Result = _decoder(run).decode(kept)
    except msgspec.ValidationError:
        raise Conflict(_ANOTHER_VERSION) from None
    return result


@lru_cache
def _decoder(run: Callable[..., Awaitable[Any]]) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(get_type_hints(run)["return"])
