"""Clients that ask and do not read the answer."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
import uvicorn

from build import make_image, make_product
from hooked import until
from packshot import app, server
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.server import connections
from packshot.services.core import Core
from pictures import jpeg_of_size
from serving import run_lines

UNREAD_S = 0.5
LARGE = 20_000_000


async def test_a_client_that_takes_nothing_of_an_answer_is_let_go(
    core: Core, admin: Principal, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", UNREAD_S)
    image = await make_image(core, admin, await make_product(core, admin), jpeg_of_size(LARGE))
    asgi, _ = app.build(core, settings, lambda: True)
    listener = server.listen("127.0.0.1", 0)
    running = uvicorn.Server(
        uvicorn.Config(
            asgi, http=connections.PatientOnlyOnce, ws="none", lifespan="off", log_config=None, access_log=False
        )
    )
    task = asyncio.create_task(running.serve(sockets=[listener]))
    silent, reading = socket.create_connection(listener.getsockname()), listener.getsockname()
    ask = f"GET /upload/iblock/{image.address}/x HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n".encode()

    silent.sendall(ask)
    started = time.monotonic()
    await until(lambda: bool(running.server_state.connections))
    await until(lambda: not running.server_state.connections)
    taken = time.monotonic() - started
    reader, writer = await asyncio.open_connection(*reading)
    writer.write(ask)
    size = 0
    while piece := await reader.read(1_000_000):
        size += len(piece)
        await asyncio.sleep(0.01)

    assert UNREAD_S * 0.5 < taken < UNREAD_S + 3
    assert size > LARGE  # the same answer, to somebody who reads
    silent.close()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    running.should_exit = True
    await task


def test_a_disk_that_fails_before_serving_ends_with_74_too(tmp_path: Path) -> None:
    lines = """
import errno, sys
from packshot.storage.blobs import staging
def broken(self, descriptor): raise OSError(errno.EIO, "broken")
from packshot.services import demo
async def fill(core, seed, progress=None):
    staging.Files.fsync = broken
    await core.blobs.put("ab" * 32 + ".0123456789abcdef", b"x")
demo.fill = fill
from packshot.cli import main
sys.argv = ["packshot", *sys.argv[1:]]
main()
"""
    for command in (["serve", "--port", "0"], ["init"]):
        done = run_lines(lines, *command, "--demo", "--data", tmp_path / command[0])

        assert done.returncode == 74, done.stderr
        assert "/rest/1/" in done.stdout + done.stderr  # the code is not lost with the samples
