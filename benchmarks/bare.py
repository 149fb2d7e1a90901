"""The bare app: reads its JSON body, does one SQLite point read, answers JSON. What any Python service pays at least.

It speaks ASGI (`app`) and granian's RSGI (`rsgi`); the environment variable BARE_DATABASE names its database.
"""

import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

Message = MutableMapping[str, Any]

SCHEMA = """
CREATE TABLE image (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
    created_at INTEGER NOT NULL, digest TEXT NOT NULL
) STRICT
"""
SELECT = "SELECT id, product_id, name, role, created_at, digest FROM image WHERE id = ?"


class Wanted(msgspec.Struct, rename="camel"):
    """The request: the same two ids that catalog.productImage.get takes."""

    product_id: int
    id: int


class Picture(msgspec.Struct, rename="camel"):
    """The answer: the row."""

    id: int
    product_id: int
    name: str
    role: str
    created_at: int
    digest: str


class RsgiProtocol(Protocol):
    """The part of granian's request object that is used here."""

    async def __call__(self) -> bytes:
        """The whole body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the answer."""


decode = msgspec.json.Decoder(Wanted).decode
encode = msgspec.json.Encoder().encode
execute = sqlite3.connect(os.environ.get("BARE_DATABASE", ":memory:"), isolation_level=None).execute


def answer(body: bytes) -> bytes:
    """The row asked for, as JSON."""
    row = execute(SELECT, (decode(body).id,)).fetchone()
    return encode(Picture(*row))


async def read_body(headers: Iterable[tuple[bytes, bytes]], receive: Callable[[], Awaitable[Message]]) -> bytes:
    """The body, read until its Content-Length: granian says `more_body` even when there is none."""
    length = next(int(value) for name, value in headers if name == b"content-length")
    body: bytes = (await receive())["body"]
    while len(body) < length:
        body += (await receive())["body"]
    return body


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """ASGI."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = answer(await read_body(scope["headers"], receive))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def rsgi(_scope: object, protocol: RsgiProtocol) -> None:
    """RSGI, granian's own interface."""
    protocol.response_bytes(200, [("content-type", "application/json")], answer(await protocol()))


def fill(database: Path, images: int, per_product: int) -> None:
    """A new database with so many images, ids from 1, and as many columns of text as a real row has."""
    connection = sqlite3.connect(database, isolation_level=None)
    rows = (
        (
            number + 1,
            number // per_product + 1,
            f"front-{number}.jpeg",
            "MORE_PHOTO",
            1_700_000_000 + number,
            f"{number:064x}",
        )
        for number in range(images)
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(SCHEMA)
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO image VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
