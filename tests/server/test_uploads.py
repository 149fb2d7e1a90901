"""Print files at a real server: what they cost, how many may come at once, and who leaves half-way."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import pictures
from serving import Server, dial, serving, serving_with

MIB = 1024 * 1024
GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
OTHER = "7c5c9470-cf14-4ba0-89ff-97197c6989c2"
JPEG = pictures.jpeg(4_000, 3_000)
FORM_TYPE = "multipart/form-data; boundary=xyz"
FORM_HEAD = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="print.jpg"\r\n\r\n'
FORM_END = b"\r\n--xyz--\r\n"


def keys_of(server: Server) -> dict[str, str]:
    return {name: server.facts[name] for name in ("web_api_key", "app_key")}


def file_of(size_bytes: int) -> Iterator[bytes]:
    """A JPEG that is so large, in pieces that are never held together; what stands behind its end does not matter."""
    noise = os.urandom(MIB)
    yield JPEG
    left = size_bytes - len(JPEG)
    while left > 0:
        yield noise[:left]
        left -= MIB


def form_of(size_bytes: int) -> Iterator[bytes]:
    yield FORM_HEAD
    yield from file_of(size_bytes)
    yield FORM_END


def put(server: Server, size_bytes: int, guid: str = GUID) -> httpx.Response:
    headers = keys_of(server) | {"content-length": str(size_bytes)}
    address = f"{server.base_url}/packshot/v3/images/{guid}"
    return httpx.put(address, content=file_of(size_bytes), headers=headers, timeout=120)


def post(server: Server, size_bytes: int) -> httpx.Response:
    """Without a Content-Length."""
    headers = keys_of(server) | {"content-type": FORM_TYPE}
    return httpx.post(
        f"{server.base_url}/packshot/v3/upload", content=form_of(size_bytes), headers=headers, timeout=120
    )


def most_memory(server: Server) -> int:
    """The bytes of memory that the process had at its most."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def staged(folder: Path) -> list[Path]:
    return list((folder / "staging").iterdir())


@pytest.mark.parametrize("size_bytes", [40 * MIB, pytest.param(300 * MIB, marks=pytest.mark.long)])
def test_a_print_file_costs_some_megabytes_of_memory_whatever_its_size(tmp_path: Path, size_bytes: int) -> None:
    with serving(tmp_path / "data") as server:
        for send in (put, post):
            assert send(server, len(JPEG)).status_code == 200  # what the first one costs, all cost together
        before = most_memory(server)

        one, other = put(server, size_bytes, OTHER), post(server, size_bytes)

        assert most_memory(server) - before < 10 * MIB
        for answer in (one, other):
            (image,) = answer.json()["images"]
            assert (image["file_size"], image["pix_w"], image["pix_h"]) == (size_bytes, 4_000, 3_000)
            with httpx.stream("GET", image["private_hires_uri"], timeout=120) as stored:
                assert sum(len(piece) for piece in stored.iter_bytes()) == size_bytes
        assert staged(tmp_path / "data") == []


def begin(server: Server, announced: int, sent: bytes) -> socket.socket:
    """The connection of an upload that goes no further than that."""
    connection = dial(server)
    keys = "".join(f"{name}: {value}\r\n" for name, value in keys_of(server).items())
    head = f"PUT /packshot/v3/images/{GUID} HTTP/1.1\r\nHost: shop.test\r\n{keys}Content-Length: {announced}\r\n\r\n"
    connection.sendall(head.encode() + sent)
    return connection


def test_an_upload_too_many_gets_its_answer_though_it_sends_all_of_its_file(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environment={"PACKSHOT_PRINTS_AT_ONCE": "1"}) as server:
        with begin(server, 10 * MIB, JPEG + bytes(MIB)):
            until(lambda: bool(staged(tmp_path / "data")))

            for send in (put, post):
                refused = send(server, 10 * MIB)

                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                assert refused.json()["status"] == {
                    "success": False, "status_code": 503, "message": "Too many uploads at once", "debug": None,
                }  # fmt: skip
        until(lambda: not staged(tmp_path / "data"))

        assert put(server, MIB).status_code == 200


def test_who_sends_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environment={"PACKSHOT_PRINTS_AT_ONCE": "1"}) as server:
        silent = begin(server, 10 * MIB, b""), begin(server, 10 * MIB, JPEG[:1_000])

        assert put(server, MIB).status_code == 200

        for connection in silent:
            connection.close()


def test_who_leaves_half_way_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        for _ in range(6):  # more than may be under way
            with begin(server, 10 * MIB, JPEG + bytes(2 * MIB)):
                until(lambda: bool(staged(folder)))
            until(lambda: not staged(folder))
        listed = httpx.post(f"{server.base_url}/v3/list_images", json={}, headers=keys_of(server)).json()

    assert listed["images"] == []
    assert [path for path in (folder / "blobs").rglob("*") if path.is_file()] == []


@pytest.mark.long
def test_a_stop_does_not_wait_for_an_upload_that_does_not_come(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, begin(server, 10 * MIB, JPEG + bytes(MIB)):
        until(lambda: bool(staged(tmp_path / "data")))
        server.process.terminate()

        assert server.process.wait(30) == 0
        assert staged(tmp_path / "data") == []


FAILS = """
import errno
from packshot.storage.blobs import staging
def broken(self, descriptor, data): raise OSError({error}, "no luck")
staging.Files.write = broken
"""


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [("errno.ENOSPC", 400, "The disk space limit is exceeded"), ("errno.EIO", 503, "The blob store is not available")],
)
def test_a_disk_that_is_full_or_fails_is_told_in_finerworks_envelope(
    tmp_path: Path, error: str, status: int, message: str
) -> None:
    with serving_with(tmp_path / "data", FAILS.format(error=error)) as server:
        answer: Any = put(server, MIB)

        assert (answer.status_code, answer.json()["status"]["message"]) == (status, message)
        assert staged(tmp_path / "data") == []
        if status == 503:
            assert server.process.wait(10) == 74
        else:
            assert httpx.get(f"{server.base_url}/readyz").status_code == 200
