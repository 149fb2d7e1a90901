"""The bare app on PostgreSQL: reads its JSON body, does one point read with asyncpg, answers JSON.

The environment variable BARE_POSTGRESQL is the address of its database. With BARE_RESET=0 the pool does not put a
connection's session back after each use, as it does unless it is told otherwise: a round trip less.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from benchmarks.bare import Message, Picture, decode, encode, read_body

CONNECTIONS = 16
SCHEMA = """
CREATE TABLE bare (
    id bigint PRIMARY KEY, product_id bigint NOT NULL, name text NOT NULL, role text NOT NULL,
    created_at bigint NOT NULL, digest text NOT NULL
)
"""
SELECT = "SELECT id, product_id, name, role, created_at, digest FROM bare WHERE id = $1"

_opening: list["asyncio.Task[Any]"] = []


async def _leave(_: Any) -> None:
    """Put nothing back."""


async def _open() -> Any:
    reset = {} if os.environ.get("BARE_RESET", "1") == "1" else {"reset": _leave}
    return await asyncpg.create_pool(os.environ["BARE_POSTGRESQL"], max_size=CONNECTIONS, **reset)


async def _pool() -> Any:
    if not _opening:  # the first request; others that come meanwhile wait along
        _opening.append(asyncio.ensure_future(_open()))
    return await _opening[0]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """ASGI, without a lifespan."""
    wanted = decode(await read_body(scope["headers"], receive))
    row = await (await _pool()).fetchrow(SELECT, wanted.id)
    body = encode(Picture(*row))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def fill(url: str, images: int, per_product: int) -> None:
    """A table with so many images, ids from 1, and as many columns of text as a real row has."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        await connection.execute(
            "INSERT INTO bare SELECT n + 1, n / $2 + 1, 'front-' || n || '.jpeg', 'MORE_PHOTO', 1700000000 + n,"
            " lpad(to_hex(n), 64, '0') FROM generate_series(0, $1 - 1) AS n",
            images, per_product,
        )  # fmt: skip
        await connection.execute("VACUUM ANALYZE bare")
    finally:
        await connection.close()
