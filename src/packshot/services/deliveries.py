"""Sending events: what is due goes out, at least once, in order for each product, whatever fails in between.

A row of the outbox waits until its receiver has taken it and that is on the disk. Whoever kills the server between the
two makes one event arrive twice, with the same id. Servers that share a store claim rows before they send them.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from functools import partial
from itertools import count
from typing import Self
from urllib.parse import urlsplit

import structlog

from packshot.domain.errors import PackshotError
from packshot.domain.events import INSTALL, KEPT_S, SECOND, Waiting, after_failure
from packshot.services import oauth
from packshot.services.core import Core
from packshot.services.event_form import form, signed
from packshot.storage import handlers, jobs, offline, outbox
from packshot.storage.database import Tx

PER_RECEIVER = 4
"""How many events go to one receiver at once; only one after a failure, until it takes one again. Failures are those
that this server has seen."""

AT_ONCE = 64
CLAIM_S = 30.0
"""After so long another server sends what one was about to send that was killed."""

IDLE_S = 1.0
"""How long nobody looks while nothing is written here: another process may have made events due."""

BETWEEN_S = 0.005
LOOKS_SHARE = 10
"""A look at very many receivers takes a tenth of the event loop's time at most, however much is written."""

BOUND_EVERY_S = 60.0
BATCH = 500
_GOOD = range(200, 300)

_log = structlog.get_logger("packshot.events")
_luck = random.Random()  # noqa: S311 - spreads retries, guards nothing


async def deliver_for_ever(core: Core, base_url: str) -> None:
    """Send events as they become due, until cancelled; then what is being sent is left to the next start.

    *base_url* is the address at which receivers can call back.
    """
    async with Deliveries(core, base_url) as deliveries:
        while True:
            core.db.written.clear()
            pause_s, between_s, began = IDLE_S, BETWEEN_S, time.monotonic()
            try:
                pause_s = await deliveries.start_due()
                between_s = max(BETWEEN_S, (time.monotonic() - began) * LOOKS_SHARE)
                await deliveries.keep_bounds()
            except PackshotError as error:
                _log.warning("events wait", why=str(error))
            except Exception:  # noqa: BLE001 - a bug here must not end the server
                _log.error("events wait", exc_info=True)
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it may swallow a cancellation, and the server would never stop.
                async with asyncio.timeout(pause_s):
                    await core.db.written.wait()
            await asyncio.sleep(between_s)  # one look for many changes


async def purge(core: Core) -> int:
    """Delete what is older than thirty days and waits for nothing; return how many rows."""
    before, count = core.now() - KEPT_S * SECOND, 0
    for rows in (outbox.purge, offline.purge):
        while removed := await core.db.write(partial(rows, before=before, limit=BATCH), makes_room=True):
            count += removed
    return count


class Deliveries:
    """What is being sent at this moment. Used as a context; its end cancels whatever is not done."""

    def __init__(self, core: Core, base_url: str) -> None:
        self._core = core
        self._base_url = base_url
        self._running: dict[int, asyncio.Task[None]] = {}
        self._busy: Counter[int] = Counter()
        self._failing: set[int] = set()
        self._turns = count(1)
        self._last_turn: dict[int, int] = {}
        self._bounds_due = 0.0
        self._put_off: dict[int, tuple[float, float]] = {}
        """Until when, by the monotonic clock, a receiver is left to others, and for how long that was."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running.values():
            task.cancel()
        await self.settled()
        if self._core.db.dialect == "postgresql":
            with contextlib.suppress(PackshotError):  # then others wait until the claims are over
                await self._core.db.write(partial(outbox.give_back, node=self._core.node))

    async def settled(self) -> int:
        """Wait for everything that is being sent; return how many that was."""
        tasks = list(self._running.values())
        if tasks:
            await asyncio.wait(tasks)
        return len(tasks)

    async def start_due(self) -> float:
        """Start sending what is due and has a free place; return the seconds until more is, `IDLE_S` at most."""
        now = self._now()
        pause_s, due = IDLE_S, []
        place = await outbox.next_receiver(self._core.db, 0)
        while place is not None:
            receiver_id, next_at = place
            if next_at <= now:
                due.append(receiver_id)
            else:
                pause_s = min(pause_s, (next_at - now) / SECOND)
            place = await outbox.next_receiver(self._core.db, receiver_id)
        # In turn, when places are few: receivers that are slow or fail may hold all of them and much may wait for them.
        for receiver_id in sorted(due, key=lambda receiver_id: self._last_turn.get(receiver_id, 0)):
            rest_s = self._put_off.get(receiver_id, (0.0, 0.0))[0] - time.monotonic()
            if rest_s > 0:
                pause_s = min(pause_s, rest_s)
            else:
                await self._start(receiver_id, now)
        return pause_s

    async def keep_bounds(self) -> None:
        """Once a minute: pause receivers that too much waits for, and count what waits."""
        now_s = self._core.clock()
        if now_s < self._bounds_due:
            return
        self._bounds_due = now_s + BOUND_EVERY_S
        bound, now = self._core.events.max_waiting, self._core.now()

        async def work(tx: Tx) -> int:
            if await jobs.take(tx, "event bounds", self._core.node, int(BOUND_EVERY_S * SECOND)) is None:
                return await handlers.count_waiting(tx)  # another server has seen to it
            return await handlers.pause_and_wake(tx, bound, now)

        self._core.event_counts["waiting"] = await self._core.db.write(work, makes_room=True)

    async def _start(self, receiver_id: int, now: int) -> None:
        busy = self._busy[receiver_id]
        places = min((1 if receiver_id in self._failing else PER_RECEIVER) - busy, AT_ONCE - len(self._running))
        if places <= 0:
            return
        self._last_turn[receiver_id] = next(self._turns)
        for event in await self._due(receiver_id, now, places):
            self._busy[receiver_id] += 1
            task = asyncio.get_running_loop().create_task(self._attempt(event))
            self._running[event.id] = task
            task.add_done_callback(partial(self._done, event))

    async def _due(self, receiver_id: int, now: int, places: int) -> list[Waiting]:
        """So many events at most that nobody is sending; they are ours by now where others send events, too."""
        core = self._core
        if core.db.dialect == "postgresql":
            lease = (core.node, int(CLAIM_S * SECOND))
            found = await core.db.write(
                partial(outbox.claim, receiver_id=receiver_id, now=now, places=places, lease=lease)
            )
            self._note_claim(receiver_id, is_empty=not found)
        else:
            found = await outbox.of_due(core.db, receiver_id, now, places + self._busy[receiver_id])
        return [event for event in found if event.id not in self._running][:places]

    def _note_claim(self, receiver_id: int, *, is_empty: bool) -> None:
        """Leave a receiver alone for longer and longer while another server has its places: claims are writes."""
        _, last_s = self._put_off.pop(receiver_id, (0.0, BETWEEN_S))
        if is_empty:
            pause_s = min(2 * last_s, IDLE_S)
            self._put_off[receiver_id] = time.monotonic() + pause_s, pause_s

    def _done(self, event: Waiting, _: "asyncio.Task[None]") -> None:
        del self._running[event.id]
        self._busy[event.receiver_id] -= 1
        self._core.db.written.set()  # its place is free

    async def _attempt(self, event: Waiting) -> None:
        error = await self._send(event)
        if error:
            self._failing.add(event.receiver_id)
        else:
            self._failing.discard(event.receiver_id)
        self._core.event_counts["failed" if error else "delivered"] += 1
        try:
            await self._core.db.write(
                partial(_settle, event=event, error=error, now=self._now(), luck=_luck.random()), makes_room=True
            )
        except Exception as failure:  # noqa: BLE001 - whatever it is, the next attempt must not follow at once
            trace = not isinstance(failure, PackshotError)
            _log.warning("an event goes out again", why=str(failure), event_id=event.id, exc_info=trace)
            await asyncio.sleep(IDLE_S)

    async def _send(self, event: Waiting) -> str:
        """What went wrong, in words; nothing if the receiver took it."""
        try:
            async with asyncio.timeout(CLAIM_S / 2):  # then there is time to write it down before others may send it
                body, secret = await self._letter(event)
                headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Packshot"}
                headers |= signed(secret, event.id, self._now() // SECOND, body)
                status = await self._core.outbound.post(event.url, headers, body)
        except PackshotError as error:
            return str(error)
        except TimeoutError:
            return "It took too long"
        except Exception:  # noqa: BLE001 - a bug in one event must not hold up the others
            _log.error("an event cannot be sent", exc_info=True, event_id=event.id)
            return "An error of our own; see the log"
        return "" if status in _GOOD else f"The receiver answered {status}"

    async def _letter(self, event: Waiting) -> tuple[bytes, str]:
        """The body, and the secret that signs it. Source: pages "Events" and of each event."""
        core = self._core
        auth: dict[str, str | None] = {
            "member_id": event.member_id,
            "application_token": core.sealer.decrypt(event.token_sealed).decode(),
        }
        if event.application_id is None:
            secret = core.sealer.decrypt(event.secret_sealed or b"").decode()
        else:
            secret = event.secret_hash or ""
            renewable = event.event == INSTALL
            tokens = await oauth.issue_tokens(core, event.application_id, event.user_id, renewable=renewable)
            auth |= {
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token or None,
                "expires_in": str(oauth.ACCESS_S),
                "scope": ",".join(sorted(tokens.scopes)),
                "status": "L",
            }
        endpoint = f"{self._base_url}/rest/"
        auth |= {
            "domain": urlsplit(self._base_url).netloc,
            "client_endpoint": endpoint,
            "server_endpoint": endpoint,
        }
        tree = {
            "event": event.event,
            "event_handler_id": event.handler_id,
            "data": json.loads(event.data),
            "ts": event.created_at // SECOND,
            "auth": auth,
        }
        return form(tree), secret

    def _now(self) -> int:
        return int(self._core.clock() * SECOND)


async def _settle(tx: Tx, event: Waiting, error: str, now: int, luck: float) -> None:
    """Write down how an attempt went."""
    if not error:
        await outbox.mark_delivered(tx, event, now)
        return
    await outbox.mark_failed(tx, event, error, after_failure(event.attempts + 1, event.failing_since, now, luck), now)
