"""Servers on a loopback port that say what a test wants, HTTP or not, and count their callers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Serve = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
"""Answers the request for that path."""


@dataclass
class Listener:
    """A listener: where it is, the requests it was sent, and how many callers it had, in all and at most at once."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    callers: int = 0
    here: int = 0
    most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/picture.png"


def saying(*parts: bytes) -> Serve:
    """Says that and hangs up."""

    async def serve(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)
        await writer.drain()

    return serve


def having(files: Mapping[str, bytes]) -> Serve:
    """Has a file under each of these paths, and nothing else."""

    async def serve(path: str, writer: asyncio.StreamWriter) -> None:
        found = path in files
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + files[path] if found else b"HTTP/1.1 404 Not Found\r\n\r\n")
        await writer.drain()

    return serve


@asynccontextmanager
async def listening(
    serve: Serve, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listener]:
    """A server that hands each caller, once the head of its request has come, to *serve*."""
    place = Listener()
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            place.requests.append(request)
            await serve(request.split()[1], writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            place.here -= 1
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place.callers += 1
        place.here += 1
        place.most = max(place.most, place.here)
        tasks.add(asyncio.get_running_loop().create_task(run(reader, writer)))

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    place.port = server.sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
