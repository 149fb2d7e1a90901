"""A store moves between SQLite and PostgreSQL, a disk and a bucket, while a real server works with it."""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import bucket
import postgres
from build import make_image, make_product, open_shop
from changing import Worker, loaded
from forking import run
from packshot.cli import move as commands
from packshot.config import Settings
from packshot.services import moving
from packshot.storage.folder import DATABASE, KEY_FILE
from pictures import png
from serving import PACKSHOT, Server, serving

pytestmark = pytest.mark.on_files("these tests make both kinds of stores themselves")

LAST = "Nobody serves the old home"
NOT_LAST = "A server or a command works with the old home"
PATIENCE_S = 60
CONNECTED = """
import asyncio, asyncpg, sys

async def serve(url):
    connection = await asyncpg.connect(url, server_settings={"application_name": "packshot"})
    print("connected", flush=True)
    sys.stdin.read()
    await connection.close()

asyncio.run(serve(sys.argv[1]))
"""
"""What tells a node from others, as long as its input is open."""


def move(folder: Path, *options: str | Path, code: int = 0, environment: dict[str, str] | None = None) -> str:
    """What it prints."""
    done = run("move", "--data", folder, *options, environment=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def verified(folder: Path, environment: dict[str, str] | None = None) -> str:
    done = run("verify", "--full", "--data", folder, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied(printed: str) -> int:
    found = re.search(r"(\d+) of them copied now", printed)
    assert found, printed
    return int(found[1])


def add_image(server: Server, product_id: int, name: str) -> dict[str, str]:
    fields = {"productId": product_id, "type": "MORE_PHOTO"}
    body = {"fields": fields, "fileContent": [name, b64encode(png()).decode()]}
    answer = httpx.post(f"{server.webhook_url}catalog.productImage.add", json=body)
    assert answer.status_code == 200, answer.text
    image: dict[str, str] = answer.json()["result"]["productImage"]
    return image


def shown(folder: Path, product_id: int) -> dict[str, str]:
    """The digest of each image of a product, by its name."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        query = "SELECT i.name, b.digest FROM image i JOIN blob b ON b.id = i.blob_id WHERE i.product_id = ?1"
        return dict(database.execute(query, (product_id,)).fetchall())


def test_a_store_moves_to_postgresql_and_a_bucket_under_load_and_back(tmp_path: Path) -> None:
    old, new, back = tmp_path / "old", tmp_path / "new", tmp_path / "back"
    there = {"PACKSHOT_DATABASE_URL": postgres.new(), "PACKSHOT_BLOBS_URL": bucket.new()}
    to = ["--to", str(new), "--to-database", there["PACKSHOT_DATABASE_URL"], "--to-blobs", there["PACKSHOT_BLOBS_URL"]]
    with serving(old) as server:
        facts = server.facts
        with loaded(server) as workers:
            time.sleep(0.3)
            first = move(old, *to)
            time.sleep(0.3)
            second = move(old, *to)
        link = urlsplit(add_image(server, workers[0].product_id, "known.png")["downloadUrl"])
    last = move(old, *to)

    with serving(new, environment=there, facts=facts) as server:
        kept = httpx.get(f"{server.base_url}{link.path}?{link.query}")
        added = add_image(server, workers[0].product_id, "new.png")
        during = move(new, "--to", back, environment=there)
    again = move(new, "--to", back, "--full", environment=there)

    assert NOT_LAST in first
    assert NOT_LAST in second
    assert NOT_LAST in during
    assert "but without PACKSHOT_DATABASE_URL and PACKSHOT_BLOBS_URL" in again
    assert LAST in last
    assert LAST in again
    assert 0 < copied(last) < len(blobs(old))
    assert (kept.status_code, kept.content) == (200, png())
    assert int(added["id"]) > max(len(worker.changes) for worker in workers)
    assert "every live one has the bytes that were stored" in verified(new, there)
    assert "every live one has the bytes that were stored" in verified(back)
    assert held(workers) == [
        {
            name: digest
            for name, digest in shown(back, worker.product_id).items()
            if name not in {"known.png", "new.png"}
        }
        for worker in workers
    ]
    assert {"known.png", "new.png"} <= shown(back, workers[0].product_id).keys()


def held(workers: list[Worker]) -> list[dict[str, str]]:
    return [worker.held(len(worker.changes)) for worker in workers]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with seventy pictures, which nobody changes."""
    folder = tmp_path_factory.mktemp("drawn") / "data"
    asyncio.run(draw(folder))
    return folder


async def draw(folder: Path) -> None:
    async with open_shop(folder, Settings()) as shop:
        product_id = await make_product(shop.core, shop.admin)
        for width_px in range(1, 71):
            await make_image(shop.core, shop.admin, product_id, png(width_px, 9))


@pytest.fixture
def demo(drawn: Path, tmp_path: Path) -> Path:
    """The same to be changed."""
    return shutil.copytree(drawn, tmp_path / "demo", ignore=shutil.ignore_patterns("renditions"))


def blobs(folder: Path) -> list[Path]:
    return sorted((folder / "blobs").rglob("*.*"))


def test_a_move_that_was_killed_goes_on_where_it_was(demo: Path, tmp_path: Path) -> None:
    new, url = tmp_path / "new", postgres.new()
    command = [*PACKSHOT, "move", "--data", str(demo), "--to", str(new), "--to-database", url]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE_S
    while len(blobs(new)) < 5 and first.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    first.kill()
    first.wait()
    assert len(blobs(new)) >= 5

    printed = move(demo, "--to", new, "--to-database", url)

    assert copied(printed) <= len(blobs(demo)) - 5
    assert [path.name for path in blobs(new)] == [path.name for path in blobs(demo)]
    assert "database: consistent" in verified(new, {"PACKSHOT_DATABASE_URL": url})


def test_a_damaged_original_is_named_and_all_others_come_along(demo: Path, tmp_path: Path) -> None:
    damaged, lost, *others = blobs(demo)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    lost.unlink()

    printed = move(demo, "--to", tmp_path / "new", code=1)
    again = move(demo, "--to", tmp_path / "new", code=1)

    for words in (printed, again):
        assert re.search(rf"WRONG blob {damaged.name} is missing or damaged \(image", words)
        assert f"WRONG blob {lost.name} is missing or damaged" in words
    assert [path.name for path in blobs(tmp_path / "new")] == [path.name for path in others]
    with closing(sqlite3.connect(tmp_path / "new" / DATABASE)) as database:
        states = database.execute("SELECT key FROM blob WHERE state = 'corrupt' ORDER BY key").fetchall()
    assert states == [(damaged.name,), (lost.name,)]


def test_full_finds_what_was_damaged_in_the_new_home(demo: Path, tmp_path: Path) -> None:
    move(demo, "--to", tmp_path / "new")
    copy = blobs(tmp_path / "new")[0]
    copy.write_bytes(bytes(copy.stat().st_size))

    printed = move(demo, "--to", tmp_path / "new", "--full", code=1)
    copy.unlink()
    healed = move(demo, "--to", tmp_path / "new", "--full")

    assert f"WRONG blob {copy.name} is damaged in the new home: delete it there" in printed
    assert copied(healed) == 1


def test_what_was_served_since_is_never_overwritten(folder: Path, tmp_path: Path) -> None:
    there = {"PACKSHOT_DATABASE_URL": postgres.new()}
    to = ["--to", str(tmp_path / "new"), "--to-database", there["PACKSHOT_DATABASE_URL"]]
    move(folder, *to)
    assert run("account", "create", "second", "--data", tmp_path / "new", environment=there).returncode == 0

    printed = move(folder, *to, code=2)

    assert "was changed since the last move" in printed
    assert "second" in run("account", "list", "--data", tmp_path / "new", environment=there).stdout


def test_a_new_home_that_is_served_is_left_alone(folder: Path, tmp_path: Path) -> None:
    move(folder, "--to", tmp_path / "new")
    with serving(tmp_path / "new", facts={"user_id": 1, "webhook_code": "x"}):
        printed = move(folder, "--to", tmp_path / "new", code=2)

    assert "Another packshot server is using" in printed


def test_a_node_that_was_started_while_it_ran_is_noticed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    url = postgres.new()
    move(folder, "--to", tmp_path / "old", "--to-database", url)
    monkeypatch.setenv("PACKSHOT_DATABASE_URL", url)
    really, nodes = moving.move, []

    async def move_and_start(*arguments: Any, **named: Any) -> Any:
        moved = await really(*arguments, **named)
        node = [sys.executable, "-c", CONNECTED, url]
        nodes.append(subprocess.Popen(node, stdin=PIPE, stdout=PIPE))  # noqa: ASYNC220 - nobody else is held up
        assert nodes[0].stdout
        nodes[0].stdout.readline()
        return moved

    monkeypatch.setattr(moving, "move", move_and_start)

    commands.move(to=tmp_path / "new", data=tmp_path / "old")

    nodes[0].communicate()
    assert NOT_LAST in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "OLD"], "the store is in .* already: name another folder"),
        (["--to", "FULL"], "is not empty, it holds notes.txt: name an empty folder"),
        (["--to", "NEW", "--to-database", "OTHER"], "holds another store, or was changed since the last move"),
        (["--to", "NEW", "--to-blobs", "s3:/shop"], "--to-blobs .*has to look like s3://bucket/prefix"),
        (["--to", "NEW", "--to-database", "mysql://shop"], "--to-database has to look like postgresql://"),
        (["--to", "NEW", "--to-blobs", "PLACE"], "holds originals already: name an empty place"),
        (["--to", "NEW", "--to-blobs", "s3://nowhere/shop"], r"not be copied \(there is no bucket of that name"),
        (["--to", "KEY"], "is not empty, it holds secret.key"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    folder: Path, drawn: Path, tmp_path: Path, options: list[str], said: str
) -> None:  # fmt: skip
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / KEY_FILE).write_bytes(b"another")
    bucket.environment()
    places: dict[str, str] = {"OLD": str(folder), "FULL": str(tmp_path / "full"), "NEW": str(tmp_path / "new"),
                              "KEY": str(tmp_path / "key")}  # fmt: skip
    if "OTHER" in options:
        places["OTHER"] = postgres.new()
        run("init", "--data", tmp_path / "other", environment={"PACKSHOT_DATABASE_URL": places["OTHER"]})
    if "PLACE" in options:
        places["PLACE"] = bucket.new()
        move(drawn, "--to", tmp_path / "o", "--to-blobs", places["PLACE"])

    printed = move(folder, *(places.get(option, option) for option in options), code=2)

    assert re.search(said, printed)
    assert printed.count("\n") == 1


def test_a_store_that_is_not_there_cannot_be_moved(tmp_path: Path) -> None:
    assert "there is no store in" in move(tmp_path / "none", "--to", tmp_path / "new", code=2)
    assert "there is no store in" in move(
        tmp_path / "none", "--to", tmp_path / "new", code=2, environment={"PACKSHOT_DATABASE_URL": postgres.new()}
    )
