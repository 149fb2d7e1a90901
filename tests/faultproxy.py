"""Proxies on loopback that break on command: `HttpProxy` before an S3 server, `TcpProxy` before PostgreSQL.

Each runs on a thread and event loop of its own, so that blocking clients and other processes can use it, and every
method may be called from any thread:

    with HttpProxy("http://127.0.0.1:8333") as proxy:           # the address of the real server
        os.environ["AWS_ENDPOINT_URL"] = proxy.url              # whoever connects from now on goes through it
        proxy.have(Fault(methods="PUT", reply=503, times=3))    # the next three PUTs are applied, then answered 503
        proxy.have(CUT_AFTER, LATE)                             # replaces them all; have() alone: an honest proxy
        with proxy.having(SILENT): ...                          # for a block
        proxy.refuse(); proxy.accept()                          # connections are refused and cut; taken again
        proxy.cut()                                             # what is open breaks, new connections are fine
        proxy.settle()                                          # waits until every late request has been applied
        proxy.seen                                              # the last requests, with their headers on the wire

    with TcpProxy("127.0.0.1", 5432) as proxy:                  # the same refuse, accept, cut, and
        proxy.slow(wait_s=0.02)                                 # each piece in either direction waits so long
        proxy.freeze(); proxy.slow()                            # nothing passes; all does again

Of the faults in force the first one that fits a request and is not used up (`times`) or left out by chance (`chance`,
from a generator with a fixed seed) happens to it. A fault says how much of a request reaches the server and what its
client hears of it, so `reach` and `reply` make them all; the usual ones have names below. Requests go on as they came,
`Host` included, since that and the path are what is signed: clients sign for the proxy's address, and the server
compares with what it is told. obstore deletes by `POST /bucket?delete` with the keys in the body: here that is a
DELETE, and its keys are no part of its path. Bodies of requests are held in memory as a whole, those of answers pass in
pieces.
"""

import asyncio
import contextlib
import re
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

Result = TypeVar("Result")
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PIECE_BYTES = 64 * 1024
LINE_BYTES = 256 * 1024
SEEN = 10_000
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass(frozen=True)
class Fault:
    """What happens to the requests that fit, by method (`"PUT|POST"`, a pattern) and by a pattern found in the path.

    `reach`: how much of a request the server gets: `whole`, `none`, `half` of its body, all of it with one bit of its
    body turned over (`garbled`), or all of it `late`, that is `late_s` seconds after the client has heard its reply.
    `reply`: what the client gets: what the server says (`true`), that with `half` of its body, `cut` (the connection
    breaks), `silence` for as long as it waits, or a status with an S3 error of the code. `wait_s` passes before
    anything happens; bodies of answers take their time at `bytes_s`. `times`: how many requests it happens to, None is
    no end; `chance`: to which share of them.
    """

    reach: Literal["whole", "none", "half", "garbled", "late"] = "whole"
    reply: Literal["true", "half", "cut", "silence"] | int = "true"
    methods: str = ".*"
    path: str = ""
    times: int | None = None
    chance: float = 1.0
    wait_s: float = 0.0
    bytes_s: float = 0.0
    late_s: float = 2.0
    code: str = "SlowDown"

    def fits(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.methods, method) and re.search(self.path, path))


NONE = Fault()
CUT_BEFORE = Fault("none", "cut")
CUT_UPLOAD = Fault("half", "cut")
CUT_AFTER = Fault("whole", "cut")
CUT_ANSWER = Fault("whole", "half")
SLOW_DOWN = Fault("none", 503)
BROKEN = Fault("none", 500, code="InternalError")
APPLIED_503 = Fault("whole", 503)
SILENT = Fault("none", "silence")
APPLIED_SILENT = Fault("whole", "silence")
GARBLED = Fault("garbled")
LATE = Fault("late", 503)
LATE_CUT = Fault("late", "cut")
FAULTS = {name: fault for name, fault in list(globals().items()) if isinstance(fault, Fault) and fault is not NONE}
"""All of these by their names; those that make a request wait take until the client gives up."""


@dataclass(frozen=True)
class Request:
    """A request as it came; `headers` are by lower-case name, `head` is all that stands before the body."""

    method: str
    path: str
    headers: Mapping[str, str]
    head: bytes
    body: bytes


@dataclass(frozen=True)
class Seen:
    """What came, how many bytes of body it had, and what happened to it; `NONE` is nothing."""

    method: str
    path: str
    headers: Mapping[str, str]
    size_bytes: int
    fault: Fault


class Proxy:
    """What both have in common: a listener on a thread of its own that is opened, closed and cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="faultproxy")
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def accept(self) -> None:
        """Take connections, at the same port as ever."""
        self._do(self._accept())

    def refuse(self) -> None:
        """Refuse connections from now on, and break those that are open."""
        self._do(self._refuse())

    def cut(self) -> None:
        """Break all connections that are open."""
        self._do(self._cut())

    def close(self) -> None:
        """End it, with whatever it still has to do."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._served, "127.0.0.1", self.port, limit=LINE_BYTES)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server:
            # Closed with a connection half taken, asyncio would never let go of that one.
            for listener in self._server.sockets:
                self._loop.remove_reader(listener.fileno())
            await asyncio.sleep(0.01)
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _close(self) -> None:
        await self._refuse()
        await asyncio.sleep(0.01)  # connections that were taken a moment ago come up now
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _aside(self, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's logs what it is cancelled with.
        task = self._aside(self._serve_one(reader, writer))
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it was cancelled before it began
        await asyncio.wait([task])

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_BROKEN), self._tracked(writer):
            await self._serve((reader, writer))

    async def _serve(self, client: Stream) -> None:
        raise NotImplementedError

    async def _connected(self) -> Stream:
        return await asyncio.open_connection(*self._target, limit=LINE_BYTES)

    @contextlib.contextmanager
    def _tracked(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            self._open.discard(writer)
            writer.transport.abort()


class TcpProxy(Proxy):
    """Passes bytes on in both directions, whatever they are."""

    _wait_s = 0.0
    _bytes_s = 0.0

    def __enter__(self) -> Self:
        self._passing = asyncio.Event()
        self._passing.set()
        return super().__enter__()

    def slow(self, wait_s: float = 0.0, bytes_s: float = 0.0) -> None:
        """Let each piece wait, and pass at most so many bytes a second; without either all passes at once."""
        self._wait_s, self._bytes_s = wait_s, bytes_s
        self._loop.call_soon_threadsafe(self._passing.set)

    def freeze(self) -> None:
        """Pass nothing on, but keep all connections."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    async def _serve(self, client: Stream) -> None:
        server = await self._connected()
        with self._tracked(server[1]):
            ways = [self._aside(self._pass(client[0], server[1])), self._aside(self._pass(server[0], client[1]))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_BROKEN):
            while piece := await reader.read(PIECE_BYTES):
                await self._passing.wait()
                await asyncio.sleep(self._wait_s + (len(piece) / self._bytes_s if self._bytes_s else 0))
                writer.write(piece)
                await writer.drain()


class HttpProxy(Proxy):
    """A reverse proxy for HTTP/1.1 with faults."""

    def __init__(self, target: str, seed: int = 7) -> None:
        parts = urlsplit(target)
        super().__init__(parts.hostname or "", parts.port or 80)
        self._random = Random(seed)
        self._faults: list[tuple[Fault, list[int | None]]] = []
        self._late: set[asyncio.Task[None]] = set()
        self.seen: deque[Seen] = deque(maxlen=SEEN)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def have(self, *faults: Fault) -> None:
        """Have these faults from now on, in the place of those before."""
        self._faults = [(fault, [fault.times]) for fault in faults]

    @contextlib.contextmanager
    def having(self, *faults: Fault) -> Iterator[None]:
        """Have these faults until the block ends, and none after it."""
        self.have(*faults)
        try:
            yield
        finally:
            self.have()

    def settle(self) -> None:
        """Wait until the server has answered every late request."""
        self._do(self._settle())

    async def _settle(self) -> None:
        while self._late:
            await asyncio.wait(self._late)

    def _fault(self, request: Request) -> Fault:
        for fault, left in self._faults:
            if left[0] != 0 and fault.fits(request.method, request.path) and self._random.random() < fault.chance:
                left[0] = None if left[0] is None else left[0] - 1
                return fault
        return NONE

    async def _serve(self, client: Stream) -> None:
        with contextlib.ExitStack() as stack:
            server = await self._tracked_to_server(stack)
            while request := await _request(client[0]):
                if server[0].at_eof():  # it closes what was idle for long
                    server = await self._tracked_to_server(stack)
                fault = self._fault(request)
                self.seen.append(Seen(request.method, request.path, request.headers, len(request.body), fault))
                await asyncio.sleep(fault.wait_s)
                if not await self._handle(request, fault, client, server):
                    break
                if fault.reach != "whole" or fault.reply != "true":  # nobody knows what is still to come of it
                    server = await self._tracked_to_server(stack)

    async def _tracked_to_server(self, stack: contextlib.ExitStack) -> Stream:
        """A connection to the server until the stack ends, in the place of the one before."""
        stack.close()
        server = await self._connected()
        stack.enter_context(self._tracked(server[1]))
        return server

    async def _handle(self, request: Request, fault: Fault, client: Stream, server: Stream) -> bool:
        """Whether the connection of the client can go on."""
        if fault.reach == "late":
            task = self._aside(self._apply_late(request, fault.late_s))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        elif fault.reach == "half":
            server[1].write(request.head + request.body[: len(request.body) // 2])
            await server[1].drain()
        elif fault.reach in {"whole", "garbled"}:
            server[1].write(request.head + (_garbled(request.body) if fault.reach == "garbled" else request.body))
            await server[1].drain()
            return await self._answer(request, fault, client, server)
        return await _reply(fault, client, request.method)

    async def _apply_late(self, request: Request, late_s: float) -> None:
        await asyncio.sleep(late_s)
        server = await self._connected()
        with self._tracked(server[1]):
            server[1].write(request.head + request.body)
            async for _ in _answer(server[0], request.method):
                pass

    async def _answer(self, request: Request, fault: Fault, client: Stream, server: Stream) -> bool:
        passing = fault.reply in {"true", "half"}
        parts = _answer(server[0], request.method)
        head = await anext(parts)
        left = _length(_headers(head)) // 2 if fault.reply == "half" else None
        if passing:
            client[1].write(head)
        async for piece in parts:
            if passing:
                client[1].write(piece[:left])
                await client[1].drain()
                await asyncio.sleep(len(piece) / fault.bytes_s if fault.bytes_s else 0)
            left = None if left is None else left - len(piece)
            if left is not None and left <= 0:
                break
        await client[1].drain()
        return fault.reply == "true" or (not passing and await _reply(fault, client, request.method))


def _garbled(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


async def _reply(fault: Fault, client: Stream, method: str) -> bool:
    if isinstance(fault.reply, int):
        body = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>told to</Message></Error>"
        head = f"HTTP/1.1 {fault.reply} Told\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        client[1].write((head if method == "HEAD" else head + body).encode())
        await client[1].drain()
        return True
    if fault.reply == "silence":
        await client[0].read(1)  # until it gives up
    return False


async def _request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None when there is no more."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    method = "DELETE" if path.endswith("?delete") else method
    headers = _headers(head)
    body = b"".join([piece async for piece in _body(reader, headers)])
    return Request(method, path, headers, head, body)


async def _answer(reader: asyncio.StreamReader, method: str) -> AsyncIterator[bytes]:
    """The head of an answer, and then its body in pieces, framed as it is."""
    head = await reader.readuntil(b"\r\n\r\n")
    yield head
    bodiless = method == "HEAD" or head.split(b" ")[1] in {b"204", b"304"}
    if not bodiless:
        async for piece in _body(reader, _headers(head)):
            yield piece


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        size = 1
        while size:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + await reader.readexactly(size + 2)
        return
    left = _length(headers)
    while left:
        piece = await reader.read(min(left, PIECE_BYTES))
        if not piece:
            raise ConnectionResetError
        left -= len(piece)
        yield piece


def _length(headers: Mapping[str, str]) -> int:
    return int(headers.get("content-length", 0))


def _headers(head: bytes) -> Mapping[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return {name.lower(): value.strip() for name, _, value in lines}


def only(fault: Fault, methods: str, times: int | None = None, path: str = "") -> Fault:
    """The same for these methods and paths alone, so many times."""
    return replace(fault, methods=methods, times=times, path=path)
