"""A real server that is killed in the middle of a call with a key, and the same call at the next one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import pictures
from build import file_content
from packshot.storage.folder import DATABASE
from serving import Server, serving, serving_with

DIE = """
import os
import signal
from packshot.services import images

add = images.add_to_product

async def add_and_die(*arguments):
    if {done}:
        await add(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

images.add_to_product = add_and_die
"""


def call(server: Server, method: str, params: dict[str, Any]) -> httpx.Response:
    return httpx.post(server.webhook_url + method, json=params, headers={"Idempotency-Key": "k"}, timeout=20)


def asked(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        return database.execute(sql).fetchall()


@pytest.mark.parametrize("done", [False, True], ids=["before the work", "after the work"])
def test_a_server_killed_in_a_call_with_a_key_has_done_it_once_in_the_end(tmp_path: Path, *, done: bool) -> None:
    folder = tmp_path / "data"
    with serving_with(folder, DIE.format(done=done)) as server:
        made = call(server, "catalog.product.add", {"fields": {"iblockId": 1, "name": "Shirt"}}).json()
        params = {"fields": {"productId": made["result"]["element"]["id"]}, "fileContent": file_content(pictures.png())}
        with pytest.raises(httpx.TransportError):
            call(server, "catalog.productImage.add", params)
        server.process.wait(20)
    assert len(asked(folder, "SELECT id FROM image")) == done

    with serving(folder, facts=server.facts) as server:
        early = call(server, "catalog.productImage.add", params)
        asked(folder, "UPDATE idempotency SET lease_ends_at = 0 WHERE result IS NULL")  # as if a minute had passed
        answers = [call(server, "catalog.productImage.add", params).json()["result"] for _ in range(2)]

    assert early.status_code == (200 if done else 409), early.text
    assert answers[0]["productImage"]["id"] == answers[1]["productImage"]["id"]
    assert asked(folder, "SELECT id FROM image") == [(answers[0]["productImage"]["id"],)]
