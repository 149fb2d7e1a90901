"""How a server ends: on purpose, by a disk that fails, and by force."""

import json
import signal
import socket
import sqlite3
import ssl
import time
from pathlib import Path

import httpx
import pytest

from build import file_content
from pictures import jpeg_of_size, png
from serving import Server, dial, serving, serving_with

DISK_FAILS = """
from packshot.storage.blobs.staging import Files
def fsync(self, descriptor):
    raise OSError({error}, "no luck")
Files.fsync = fsync
"""
IMPATIENT = "from packshot import server; server.DRAIN_S = 1"
PATIENT = "from packshot.server import connections; connections.QUIET_S = 60"
ASKED = b"GET /readyz HTTP/1.1\r\nHost: shop.test\r\n\r\n"


def add_product(server: Server) -> int:
    answer = httpx.post(f"{server.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}})
    return int(answer.json()["result"]["element"]["id"])


def add_image(server: Server, product_id: int, data: bytes) -> httpx.Response:
    picture = {"fields": {"productId": product_id}, "fileContent": file_content(data)}
    return httpx.post(f"{server.webhook_url}catalog.productImage.add", json=picture)


def upload(server: Server, product_id: int, data: bytes) -> bytes:
    """A whole upload as it goes over the wire."""
    content = json.dumps({"fields": {"productId": product_id}, "fileContent": file_content(data)}).encode()
    path = f"{server.webhook_url.removeprefix(server.base_url)}catalog.productImage.add"
    head = f"POST {path} HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def read_to_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def wait_until_it_listens_no_more(server: Server) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            dial(server).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("the server still takes connections")


def wait_for(server: Server, text: str) -> None:
    """Wait until the server has printed that text."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if text in server.printed():
            return
        time.sleep(0.02)
    raise AssertionError(f"{text!r} is not in\n{server.printed()}")


def images_in(folder: Path) -> int:
    connection = sqlite3.connect(folder / "packshot.sqlite3")
    try:
        return int(connection.execute("SELECT count(*) FROM image").fetchone()[0])
    finally:
        connection.close()


# On purpose


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_upload_under_way_is_finished_and_answered_before_the_server_stops(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(tmp_path / "data") as server:
        whole = upload(server, add_product(server), jpeg_of_size(300_000))
        with dial(server) as connection:
            connection.sendall(whole[:200_000])
            time.sleep(0.2)
            server.process.send_signal(number)
            wait_until_it_listens_no_more(server)

            connection.sendall(whole[200_000:])
            answer = read_to_end(connection)

        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"productImage"' in answer
        assert server.process.wait(5) == 0
    assert images_in(tmp_path / "data") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [[], ["--tls-dev"]])
def test_a_connection_that_is_only_kept_holds_up_nothing(
    tmp_path: Path, number: signal.Signals, options: list[str]
) -> None:
    with serving(tmp_path / "data", *options) as server, httpx.Client(verify=False) as kept:
        assert kept.get(f"{server.base_url}/healthz").status_code == 200
        started = time.monotonic()

        server.process.send_signal(number)

        assert server.process.wait(15) == 0
        assert time.monotonic() - started < 5
        assert "Traceback" not in server.printed()
        assert '"level":"error"' not in server.printed()


def test_who_asks_while_the_server_stops_is_answered_once_more_and_told_to_leave(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", "", before=PATIENT) as server:
        with dial(server) as kept, dial(server) as fresh:
            kept.sendall(ASKED)
            received = b""
            while b'"ready"' not in received:
                received += kept.recv(65_536)
            server.process.send_signal(signal.SIGTERM)
            wait_until_it_listens_no_more(server)

            answers = []
            for connection in (kept, fresh):
                connection.sendall(ASKED)
                answers.append(read_to_end(connection))

        assert server.process.wait(5) == 0
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert b"stopping" in answer


def test_what_follows_an_answer_that_had_begun_is_answered_too(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", "", before=PATIENT) as server:
        image = add_image(server, add_product(server), jpeg_of_size(8_000_000)).json()["result"]["productImage"]
        with dial(server) as connection:
            connection.sendall(f"GET {image['detailUrl']} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
            received = connection.recv(65_536)
            server.process.send_signal(signal.SIGTERM)
            wait_until_it_listens_no_more(server)
            head, _, body = received.partition(b"\r\n\r\n")
            while len(body) < 8_000_000:
                body += connection.recv(1_000_000)

            connection.sendall(ASKED)
            last = read_to_end(connection)

        assert server.process.wait(5) == 0
    assert b"connection: close" not in head
    assert last.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nconnection: close\r\n" in last


def test_who_shakes_hands_while_the_server_stops_is_answered_and_holds_up_nothing(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with serving(tmp_path / "data", "--tls-dev") as server, httpx.Client(verify=False) as kept, dial(server) as late:
        kept.get(f"{server.base_url}/healthz")
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_until_it_listens_no_more(server)

        with context.wrap_socket(late) as connection:
            connection.sendall(ASKED)
            answer = read_to_end(connection)

        assert server.process.wait(15) == 0
        assert time.monotonic() - started < 5
        assert '"level":"error"' not in server.printed()
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_the_second_ctrl_c_waits_for_nobody(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", "", before=PATIENT) as server, dial(server) as kept:
        kept.sendall(ASKED)
        kept.recv(65_536)
        server.process.send_signal(signal.SIGINT)
        wait_until_it_listens_no_more(server)
        assert server.process.poll() is None
        started = time.monotonic()

        server.process.send_signal(signal.SIGINT)

        assert server.process.wait(10) == 0
        assert time.monotonic() - started < 8


def test_an_upload_that_never_ends_holds_up_the_stop_for_its_time_and_no_longer(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", "", before=IMPATIENT) as server:
        whole = upload(server, add_product(server), jpeg_of_size(300_000))
        with dial(server) as connection:
            connection.sendall(whole[:200_000])
            time.sleep(0.2)
            started = time.monotonic()

            server.process.send_signal(signal.SIGTERM)

            assert server.process.wait(8) == 0
            assert 0.9 < time.monotonic() - started < 6
    assert images_in(tmp_path / "data") == 0


def test_the_time_a_stop_takes_is_ten_seconds_at_most() -> None:
    from packshot import server

    assert server.DRAIN_S == 10


def test_the_last_log_lines_are_written_before_the_server_is_gone(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        with httpx.Client() as kept:
            kept.get(f"{server.base_url}/healthz", headers={"x-request-id": "the-last-one"})
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(5)

        assert '"request_id":"the-last-one"' in server.printed()


# By the disk


def test_a_disk_that_fails_is_answered_with_503_and_ends_the_server_with_74(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", DISK_FAILS.format(error="__import__('errno').EIO")) as server:
        product_id = add_product(server)

        answer = add_image(server, product_id, png())

        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json() == {"error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error"}
        assert server.process.wait(10) == 74
        assert "the disk failed; stopping, since nobody knows what it holds" in server.printed()
        assert "no luck" in server.printed()


def test_after_a_disk_that_failed_the_next_start_looks_at_the_database(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", DISK_FAILS.format(error="__import__('errno').EIO")) as server:
        product_id = add_product(server)
        add_image(server, product_id, png())
        server.process.wait(10)
        facts = server.facts

    with serving(tmp_path / "data", facts=facts) as server:
        wait_for(server, "the last stop was not clean; the database is consistent")
        assert add_image(server, product_id, png()).status_code == 200


def test_a_full_disk_is_no_reason_to_stop(tmp_path: Path) -> None:
    with serving_with(tmp_path / "data", DISK_FAILS.format(error="__import__('errno').ENOSPC")) as server:
        product_id = add_product(server)

        answers = [add_image(server, product_id, png()) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [400, 400]
        assert answers[0].json() == {"error": 0, "error_description": "Disk space limit exceeded"}
        assert httpx.get(f"{server.base_url}/readyz").status_code == 200
    assert list((tmp_path / "data" / "staging").iterdir()) == []


# By force


def test_after_a_kill_the_next_start_looks_at_the_database_and_serves_what_was_acknowledged(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        product_id = add_product(server)
        image = add_image(server, product_id, png()).json()["result"]["productImage"]
        server.process.kill()
        server.process.wait()
        facts = server.facts

    with serving(tmp_path / "data", facts=facts) as server:
        wait_for(server, "the last stop was not clean; the database is consistent")
        assert httpx.get(server.base_url + image["detailUrl"]).content == png()


def test_after_a_clean_stop_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        facts = server.facts

    with serving(tmp_path / "data", facts=facts) as server:
        httpx.get(f"{server.base_url}/healthz", headers={"x-request-id": "seen"})
        wait_for(server, "seen")
        assert "not clean" not in server.printed()


def test_a_server_whose_reader_went_away_still_stops(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        connection = dial(server)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        connection.close()
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(5) == 0
