"""The limits of Bitrix24's cloud, for clients to be tested against: calls per second, and seconds per ten minutes.

A server that has its store alone keeps all state in one `Limiter` in its memory; only `count_call`, `require_time` and
`spend_time` look into it. Those that share a store count together, in the database. Source: page "Limits".
"""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from packshot.domain.access import Principal
from packshot.domain.errors import LimitReached
from packshot.protocols.bitrix.errors import SystemRefusal
from packshot.services import limits
from packshot.services.core import Core

Key = TypeVar("Key")
State = TypeVar("State")

WINDOW_S = 600
MINUTE_S = 60
MOST_KEYS = 10_000
"""How many callers are remembered, for either limit; beyond, those not seen for longest are forgotten."""

_ROUNDING_S = 1e-6
"""What many small sums may be off by: without it, the last call that fits would sometimes not."""

_PROFILES = {"standard": (2.0, 50), "enterprise": (5.0, 250)}


class LimitSettings(msgspec.Struct, frozen=True):
    """The limits of Bitrix24's cloud, off unless a `profile` is chosen.

    `calls_per_s` and `burst` replace the profile's figures where they are not 0: how many calls leave the bucket
    in a second, and how many fit into it. `operating_s`: how many seconds one method may run for one credential
    within ten minutes.
    """

    profile: Literal["off", "standard", "enterprise"] = "off"
    calls_per_s: float = 0.0
    burst: int = 0
    operating_s: float = 480.0


class Operated(msgspec.Struct, frozen=True):
    """How many seconds a method ran within the window, and when the oldest of them leave it, in Unix seconds."""

    seconds: float
    reset_at: int


class _Minute(msgspec.Struct):
    """The seconds that the calls of one minute took. The minute begins with its first call: by both clocks."""

    began: float
    began_at: float
    seconds: float = 0.0


class Limiter:
    """The limits of one server, and what counts against them so far.

    `clock` gives seconds that never go back, `wall` Unix seconds. `empty_at` is when a bucket will have leaked
    all it holds, by account and source address: that one figure says how full it is at any time. `minutes` are
    those of the window, oldest first, by credential and method.
    """

    __slots__ = ("burst", "calls_per_s", "clock", "empty_at", "minutes", "operating_s", "wall")

    def __init__(
        self,
        settings: LimitSettings,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        calls_per_s, burst = _PROFILES[settings.profile]
        self.calls_per_s = settings.calls_per_s or calls_per_s
        self.burst = settings.burst or burst
        self.operating_s = settings.operating_s
        self.clock = clock
        self.wall = wall
        self.empty_at: OrderedDict[tuple[int, str], float] = OrderedDict()
        self.minutes: OrderedDict[tuple[object, ...], deque[_Minute]] = OrderedDict()


def limiter(settings: LimitSettings) -> Limiter | None:
    """A limiter with nothing counted yet; None where limits are off."""
    return None if settings.profile == "off" else Limiter(settings)


async def count(core: Core, limiter: Limiter, account_id: int, source: str) -> None:
    """Count one request of that address, wherever the calls of this store are counted.

    Raises:
        LimitReached: as `count_call`.
        Unavailable: the database does not answer.
    """
    db = limits.shared(core)
    if db is None:
        count_call(limiter, account_id, source)
    elif wait_s := await limits.fill(db, (account_id, source), limiter.calls_per_s, limiter.burst):
        raise LimitReached("requests", _whole_s(wait_s))


async def require(core: Core, limiter: Limiter, caller: Principal, method: str) -> None:
    """Refuse a call of a method that has run for too long, wherever that is counted.

    Raises:
        SystemRefusal: as `require_time`.
        Unavailable: the database does not answer.
    """
    db = limits.shared(core)
    if db is None:
        require_time(limiter, caller, method)
        return
    now = limiter.wall()
    found = await limits.time_spent(db, _shared_key(caller, method), now - WINDOW_S)
    _require(limiter, deque(_Minute(began, began, seconds) for began, seconds in found), now)


async def spend(core: Core, limiter: Limiter, caller: Principal, method: str, seconds: float) -> Operated:
    """Add what a call that ended just now took, as `spend_time`, wherever that is counted."""
    db = limits.shared(core)
    if db is None:
        return spend_time(limiter, caller, method, seconds)
    now = limiter.wall()
    spent = (now - seconds, seconds)
    found = await limits.spend_time(db, _shared_key(caller, method), spent, now - WINDOW_S)
    return Operated(sum(one[1] for one in found), int(found[0][0]) + WINDOW_S)


def count_call(limiter: Limiter, account_id: int, source: str) -> None:
    """Count one request of that address; one that does not fit into the bucket any more is not counted.

    Raises:
        LimitReached: the bucket is full; there is room after `retry_after_s`.
    """
    now = limiter.clock()
    key = (account_id, source)
    empty_at = max(limiter.empty_at.get(key, now), now) + 1 / limiter.calls_per_s
    wait_s = empty_at - now - limiter.burst / limiter.calls_per_s
    if wait_s > _ROUNDING_S:
        raise LimitReached("requests", _whole_s(wait_s))
    _remember(limiter.empty_at, key, empty_at)


def require_time(limiter: Limiter, caller: Principal, method: str) -> None:
    """Refuse a call of a method that has run for too long already; the call that passes the limit was the last.

    Raises:
        SystemRefusal: OPERATION_TIME_LIMIT; enough has left the window after `retry_after_s`.
    """
    now = limiter.clock()
    _require(limiter, deque(_current(limiter, _key(caller, method), now)), now)


def _require(limiter: Limiter, staying: deque[_Minute], now: float) -> None:
    leaving = None
    while sum(minute.seconds for minute in staying) > limiter.operating_s:
        leaving = staying.popleft()
    if leaving is not None:
        raise SystemRefusal("OPERATION_TIME_LIMIT", _whole_s(leaving.began + WINDOW_S - now))


def spend_time(limiter: Limiter, caller: Principal, method: str, seconds: float) -> Operated:
    """Add what a call that ended just now took, and return what the method has come to."""
    now = limiter.clock()
    key = _key(caller, method)
    minutes = _current(limiter, key, now)
    began = now - seconds
    if not minutes or began - minutes[-1].began >= MINUTE_S:
        minutes.append(_Minute(began, limiter.wall() - seconds))
    minutes[-1].seconds += seconds
    _remember(limiter.minutes, key, minutes)
    return Operated(sum(minute.seconds for minute in minutes), int(minutes[0].began_at) + WINDOW_S)


def _key(caller: Principal, method: str) -> tuple[object, ...]:
    """Tokens come and go: what an application runs counts for the application, whoever uses it."""
    if caller.application_id is None:
        return ("webhook", caller.credential_id, method)
    return ("application", caller.application_id, method)


def _shared_key(caller: Principal, method: str) -> str:
    return ":".join(map(str, _key(caller, method)))


def _current(limiter: Limiter, key: tuple[object, ...], now: float) -> deque[_Minute]:
    """The minutes that are still within the window."""
    minutes = limiter.minutes.get(key, deque())
    while minutes and minutes[0].began + WINDOW_S <= now:
        minutes.popleft()
    return minutes


def _remember(states: OrderedDict[Key, State], key: Key, state: State) -> None:
    states[key] = state
    states.move_to_end(key)
    if len(states) > MOST_KEYS:
        states.popitem(last=False)


def _whole_s(seconds: float) -> int:
    """Seconds as Retry-After takes them: after so many there really is room again."""
    return max(math.ceil(seconds), 1)
