"""Uploads from 16 connections that stay open. Plain sockets cost a third of the CPU of wrk with bodies of this size."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import parallel
from benchmarks.load import Candidate, LoadError, Round
from benchmarks.parallel import Turn

_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Text:
    """A request's body in pieces: the product's id goes behind `head`, the mark behind `middle`."""

    head: bytes
    middle: bytes
    tail: bytes


def read_text(path: Path) -> Text:
    """The body that `pictures.write_upload` wrote."""
    head, rest = path.read_bytes().split(b"@product@")
    middle, tail = rest.split(b"@mark@")
    return Text(head, middle, tail)


def run(candidate: Candidate, text: Text, seconds: float, seed: int) -> Round:
    """Add pictures, all different, to one product after the other; `seed` must be new in each round.

    Raises:
        LoadError: an upload was refused.
    """

    @contextlib.contextmanager
    def opened(number: int) -> Iterator[Turn]:
        with socket.create_connection(("127.0.0.1", candidate.port), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield lambda turn: _add(connection, candidate, text, (seed, number, turn))

    return parallel.run(opened, seconds, candidate.pid)


def _add(connection: socket.socket, candidate: Candidate, text: Text, which: tuple[int, int, int]) -> None:
    seed, number, turn = which
    product = candidate.catalogue.first_product + (turn * parallel.THREADS + number) % candidate.catalogue.products
    body = b"%b%d%b%04x%04x%08x" % (text.head, product, text.middle, seed, number, turn)
    head = (
        f"POST {candidate.call.path} HTTP/1.1\r\nHost: 127.0.0.1:{candidate.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) + len(text.tail)}\r\n\r\n"
    ).encode()
    connection.sendall(head + body)
    connection.sendall(text.tail)
    answer = read_answer(connection)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise LoadError(f"{candidate.name} refused an upload: {answer.decode(errors='replace')}")


def read_answer(connection: socket.socket) -> bytes:
    """A whole answer, head and body. Raises: LoadError."""
    answer = connection.recv(_ANSWER_BYTES)
    while not _is_whole(answer):
        more = connection.recv(_ANSWER_BYTES)
        if not more:
            raise LoadError("the server closed the connection in the middle of an answer")
        answer += more
    return answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and (not lengths or len(body) >= int(lengths[0]))
