"""Reads one request body piece by piece, for those that are too large to be held."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from packshot.domain.errors import RequestTooSlow
from packshot.protocols.body.read import BodyLimits, Receive, announced_length, check_size, opened

Take = Callable[[bytes | bytearray], Awaitable[None]]
"""What is done with each piece before the next one is received."""

PIECE_BYTES = 256 * 1024
"""Pieces have at least so many bytes, but for the first and the last: one may cost a change of threads."""


async def pour(receive: Receive, headers: Iterable[tuple[bytes, bytes]], limits: BodyLimits, take: Take) -> None:
    """Have *take* called with each piece of the body, in order; nothing else is held but the piece that is gathered.

    `receive`, `headers` and `limits` are those of `reading`; no bytes are counted as in flight. So the first piece
    comes as soon as there are `limits.uncounted_bytes`: *take* may refuse it before more is held. The time that it
    needs is not the client's.

    Raises:
        UnsupportedEncoding, RequestTooLarge, RequestTooSlow, InvalidRequest: as `reading`.
    """
    length = announced_length(headers, limits.request_bytes)
    clock = asyncio.get_running_loop().time
    deadline = clock() + limits.first_s
    size_bytes, piece, more = 0, bytearray(), length != 0
    enough_bytes = min(limits.uncounted_bytes, PIECE_BYTES)
    while more:
        try:
            async with asyncio.timeout_at(deadline):
                chunk, more = opened(await receive())
        except TimeoutError:
            raise RequestTooSlow from None
        size_bytes += len(chunk)
        check_size(size_bytes, length, limits, more=more)
        more = more and size_bytes != length
        piece += chunk
        received_at = clock()
        if piece and (len(piece) >= enough_bytes or not more):
            await take(piece)
            piece, enough_bytes = bytearray(), PIECE_BYTES
        deadline = min(deadline + len(chunk) / limits.min_rate_bytes_s, received_at + limits.longest_s)
        deadline += clock() - received_at
