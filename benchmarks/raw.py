"""The raw app: sends the same bytes with the same headers to everybody. What any Python server pays for a file.

The environment variable RAW_BODY names the file with the bytes, RAW_HEADERS one with a JSON array of pairs.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from benchmarks.bare import Message

body = Path(os.environ["RAW_BODY"]).read_bytes()
headers = [
    (name.encode(), value.encode())
    for name, value in msgspec.json.decode(Path(os.environ["RAW_HEADERS"]).read_bytes(), type=list[tuple[str, str]])
]


async def app(_scope: Message, _receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
    """ASGI."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
