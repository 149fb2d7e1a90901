"""A receiver of events on a loopback port, for tests: it keeps what it was sent and answers what it is told."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from build import believing
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.accounts import Application
from packshot.services import applications
from packshot.services.applications import Registration
from packshot.services.core import Core
from packshot.services.deliveries import Deliveries
from packshot.services.outbound import OutboundSettings

PRIVATE = believing(Settings(outbound=OutboundSettings(allow_private=True)))
EVERY = ("CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE", "CATALOG.PRODUCT.ON.DELETE")
BASE_URL = "https://pictures.example"


@dataclass
class Letter:
    """One request as it came in; `form` has the names with their brackets."""

    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))

    @property
    def event_id(self) -> int:
        return int(self.headers["x-packshot-event-id"])


@dataclass
class Receiver:
    """`answer` gives the status for each request, or None for no answer at all."""

    url: str = ""
    letters: list[Letter] = field(default_factory=list)
    answer: Callable[[Letter], int | None] = lambda _: 200
    more: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                letter = Letter(first.split(" ")[1], headers, body)
                self.letters.append(letter)
                status = self.answer(letter)
                if status is None:
                    await asyncio.sleep(3_600)
                writer.write(f"HTTP/1.1 {status} Told\r\nContent-Length: 2\r\n{self.more}\r\nok".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that takes everything until it is told otherwise."""
    receiver = Receiver()
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.get_running_loop().create_task(receiver.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/told"
    try:
        yield receiver
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


async def make_application(core: Core, caller: Principal) -> tuple[Principal, Registration]:
    """An application of the caller's account, acting for the caller, and its two secrets."""
    wanted = Application(0, caller.account_id, "", "Shop", "https://app.example/", ("catalog",), None)
    made = await applications.create(core, "main", wanted)
    scopes, expires_at = frozenset({"catalog"}), core.now() + 10**12
    return Principal(caller.account_id, caller.user_id, caller.role, scopes, 0, made.application.id, expires_at), made


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until that holds, for half a minute at most."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - what is waited for happens in another process or task
            await asyncio.sleep(0.01)


async def told(receiver: Receiver, count: int = 1) -> None:
    """Wait until the receiver has so many letters."""

    async def holds() -> bool:
        return len(receiver.letters) >= count

    await eventually(holds)


async def noted(core: Core) -> list[tuple[str, dict[str, Any]]]:
    """(event, fields) of everything in the outbox, in order."""
    rows = await core.db.all("SELECT event, data FROM outbox ORDER BY id")
    return [(row[0], json.loads(row[1])["FIELDS"]) for row in rows]


async def deliver(core: Core, rounds: int = 50) -> None:
    """Send everything that is due, and what becomes due by that."""
    async with Deliveries(core, BASE_URL) as deliveries:
        for _ in range(rounds):
            await deliveries.start_due()
            if not await deliveries.settled():
                return
    raise AssertionError("there is no end to what is due")
