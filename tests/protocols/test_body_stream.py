"""Reading a body piece by piece: what stops it, what is held meanwhile, and a form around a file in it."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest, LimitReached, RequestTooLarge, RequestTooSlow, UnsupportedEncoding
from packshot.protocols.body import BodyLimits, FileForm, pour
from packshot.protocols.body.multipart_form import FIELDS_BYTES, PARTS
from packshot.protocols.body.stream import PIECE_BYTES

TYPE = "multipart/form-data; boundary=xyz"
LIMITS = BodyLimits(request_bytes=10 * PIECE_BYTES)
QUICK = BodyLimits(first_s=0.05, min_rate_bytes_s=100_000, longest_s=0.05)


class Client:
    """Sends these chunks, each after a pause, and then is gone, or silent for ever."""

    def __init__(self, *chunks: bytes, pause_s: float = 0.0, leaves: bool = False) -> None:
        self.chunks = list(chunks)
        self.pause_s = pause_s
        self.leaves = leaves

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self.pause_s)
        if self.chunks:
            chunk = self.chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks) or self.leaves}
        if self.leaves:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        return {}


def announced(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(size).encode())]


async def poured(
    client: Client, headers: Iterable[tuple[bytes, bytes]] = (), limits: BodyLimits = LIMITS, take_s: float = 0.0
) -> list[bytes]:
    pieces: list[bytes] = []

    async def take(piece: bytes | bytearray) -> None:
        await asyncio.sleep(take_s)
        pieces.append(bytes(piece))

    await pour(client.receive, headers, limits, take)
    return pieces


async def test_who_refuses_the_first_piece_is_not_sent_a_second() -> None:
    client = Client(*[b"x" * 40_000] * 20)

    async def refuse(_: bytes | bytearray) -> None:
        raise LimitReached("uploads at once", retry_after_s=1)

    with pytest.raises(LimitReached):
        await pour(client.receive, (), LIMITS, refuse)
    assert len(client.chunks) == 18


async def test_small_chunks_are_gathered_and_nothing_larger_than_a_piece_and_a_chunk_is_held() -> None:
    chunks = [bytes([number]) * 40_000 for number in range(20)]

    pieces = await poured(Client(*chunks), announced(800_000))

    assert b"".join(pieces) == b"".join(chunks)
    first, *others, _ = [len(piece) for piece in pieces]
    assert LIMITS.uncounted_bytes <= first < LIMITS.uncounted_bytes + 40_000
    assert [PIECE_BYTES <= size < PIECE_BYTES + 40_000 for size in others] == [True, True]


@pytest.mark.parametrize("headers", [announced(0), []])
async def test_a_body_of_no_bytes_is_no_pieces(headers: Any) -> None:
    assert await poured(Client(b""), headers) == []


async def test_reading_stops_with_the_bytes_that_were_announced() -> None:
    assert await poured(Client(b"12345", leaves=True), announced(5)) == [b"12345"]


@pytest.mark.parametrize(("chunks", "length"), [((b"1234",), 5), ((b"123456",), 5)])
async def test_a_length_that_is_not_true_is_refused(chunks: tuple[bytes, ...], length: int) -> None:
    with pytest.raises(InvalidRequest):
        await poured(Client(*chunks), announced(length))


async def test_a_body_too_large_is_refused_before_it_is_read_or_once_it_is() -> None:
    limits = BodyLimits(request_bytes=9)
    untouched = Client(b"x" * 10)

    with pytest.raises(RequestTooLarge):
        await poured(untouched, announced(10), limits)
    with pytest.raises(RequestTooLarge):
        await poured(Client(b"x" * 5, b"x" * 5), (), limits)

    assert untouched.chunks


async def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(UnsupportedEncoding):
        await poured(Client(b"x"), [(b"content-encoding", b"gzip")])


async def test_a_client_who_leaves_is_noticed() -> None:
    with pytest.raises(InvalidRequest):
        await poured(Client(b"12345", leaves=True), announced(10))


@pytest.mark.parametrize("client", [Client(b"x" * 100, leaves=False, pause_s=0.2), Client(b"1", b"2", pause_s=0.04)])
async def test_a_body_that_comes_too_slowly_is_refused(client: Client) -> None:
    with pytest.raises(RequestTooSlow):
        await poured(client, announced(1_000), QUICK)


async def test_what_is_done_with_a_piece_is_not_the_clients_time() -> None:
    client = Client(*[b"x" * PIECE_BYTES] * 3)

    pieces = await poured(client, (), BodyLimits(first_s=0.2, longest_s=0.2), take_s=0.3)

    assert len(pieces) == 3


# A form


def field(name: str, value: bytes) -> bytes:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


def file(value: bytes, name: str = "a.png") -> bytes:
    head = f'--xyz\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


async def read(body: bytes, step: int = 0, content_type: str = TYPE) -> tuple[dict[str, str], str | None, bytes]:
    received = bytearray()

    async def take(piece: bytes | bytearray) -> None:
        received.extend(piece)

    reader = FileForm(content_type, take)
    for start in range(0, len(body), step or len(body)):
        await reader.feed(body[start : start + (step or len(body))])
    reader.finish()
    return reader.fields, reader.file_name, bytes(received)


@given(
    value=st.binary(max_size=300).map(lambda value: value.replace(b"xyz", b"")),
    noise=st.sampled_from([b"", b"\r\n", b"\r\n--xy", b"--xyz", b"\r\n-"]),
    step=st.integers(1, 60),
)
async def test_a_file_comes_out_as_it_went_in_however_the_body_is_cut(value: bytes, noise: bytes, step: int) -> None:
    data = value + noise
    assume(b"\r\n--xyz" not in data)  # the two may meet as the end of the part

    found = await read(form(field("title", "Dünen".encode()), file(data), field("GUID", b"g")), step)

    assert found == ({"title": "Dünen", "guid": "g"}, "a.png", data)


async def test_of_two_fields_with_one_name_the_later_counts() -> None:
    fields, _, _ = await read(form(field("title", b"1"), file(b""), field("Title", b"2")))

    assert fields == {"title": "2"}


@pytest.mark.parametrize(
    "body",
    [
        form(field("title", b"x")),
        form(file(b"1"), file(b"2")),
        form(file(b"1"))[:-6],
        form(file(b"1"), field("title", b"\xff")),
        form(file(b"1"), field("title", b"\0")),
        form(file(b"1"), field("title", b"x" * (FIELDS_BYTES + 1))),
        form(file(b"1"), *[field(f"n{number}", b"x" * 1_000) for number in range(FIELDS_BYTES // 1_000 + 1)]),
        form(file(b"1"), *[field("n", b"x")] * PARTS),
        form(b"--xyz\r\n" + b"X: " + b"y" * 9_000 + b"\r\n\r\n1\r\n"),
        b"no form at all",
    ],
    ids=["no file", "two", "cut off", "no text", "NUL", "large", "large together", "parts", "headers", "no form"],
)
async def test_a_form_that_is_none_or_too_large_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await read(body)


async def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        await read(form(file(b"1")), content_type="multipart/form-data")
