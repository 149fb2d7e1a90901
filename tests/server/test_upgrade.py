"""Requests that offer to speak HTTP/2, as clients of Java and PHP make them over plain HTTP: answered in HTTP/1.1."""

import socket
from collections.abc import Iterator

import pytest

from serving import Server, dial, serving

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAB\r\n"
BODY = b'{"id": 4711}'
MISSED = b"Product with the specified identifier not found"  # it only says so if it has read the body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("upgrade") / "data") as running:
        yield running


def ask(server: Server, more: bytes = OFFER, body: bytes = BODY) -> bytes:
    path = server.webhook_url.removeprefix(server.base_url).encode()
    start = b"POST " + path + b"catalog.product.get HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more
    return start + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def answers(connection: socket.socket, count: int) -> bytes:
    """What comes until there are so many answers."""
    received = b""
    while received.count(b"HTTP/1.1 ") < count or not received.endswith(b"}"):
        received += connection.recv(65536) or b"HTTP/1.1 closed}"
    return received


@pytest.mark.parametrize("cut", [None, 40, 150, -len(BODY), -5])
def test_the_body_of_an_offer_is_read(server: Server, cut: int | None) -> None:
    asked = ask(server)

    with dial(server) as connection:
        for part in (asked[:cut], asked[cut:]) if cut else (asked,):
            connection.sendall(part)
        received = answers(connection, 1)

    assert MISSED in received


def test_offers_may_follow_each_other(server: Server) -> None:
    with dial(server) as connection:
        connection.sendall(ask(server) * 3 + ask(server, b""))
        received = answers(connection, 4)
        connection.sendall(ask(server))
        received += answers(connection, 1)

    assert received.count(MISSED) == 5


def test_what_follows_an_offer_that_closes_the_connection_does_not_cost_its_answer(server: Server) -> None:
    closing = OFFER.replace(b"Upgrade,", b"close, Upgrade,")

    with dial(server) as connection:
        connection.sendall(ask(server, closing) + ask(server))
        received = answers(connection, 1)

    assert MISSED in received


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 12\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 12",
     b"Content-Length: 12\r\nContent-Length: 3", b"Transfer-Encoding:\r\n chunked", b"Content-Length : 12",
     b"Transfer-Encoding: chunked, identity", b"X: a\rTransfer-Encoding: chunked", b"X: \0"],
    ids=range(8),
)  # fmt: skip
def test_an_offer_whose_end_is_told_in_two_ways_is_refused(server: Server, framing: bytes) -> None:
    start = ask(server).partition(b"Content-Type")[0]

    with dial(server) as connection:
        connection.sendall(start + framing + b"\r\n\r\n" + BODY + ask(server))
        received = answers(connection, 1)

    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert received.count(b"HTTP/1.1 ") == 1 + received.count(b"HTTP/1.1 closed")


def test_an_offer_of_a_tunnel_or_a_socket_is_an_ordinary_request(server: Server) -> None:
    with dial(server) as connection:
        connection.sendall(ask(server, b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        assert MISSED in answers(connection, 1)
    with dial(server) as connection:
        connection.sendall(b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 4")
