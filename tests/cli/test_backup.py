"""Backups of a real server under load: each comes back as a prefix of what was committed, to the last byte (R7)."""

import sqlite3
import sys
import time
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

import stock
from changing import Worker, loaded
from forking import run
from pictures import png
from serving import serving, serving_with

SETTINGS = {"PACKSHOT_UPKEEP_EVERY_S": "1", "PACKSHOT_TRASH_KEEP_S": "0", "PACKSHOT_LOG_REQUESTS": "false"}
HASTY = """
import dataclasses
from packshot.services import upkeep
from packshot.services.core import UpkeepSettings

usual = upkeep.run_once

async def run_once(core):
    return await usual(dataclasses.replace(core, upkeep=UpkeepSettings(young_s=-1, retention_s=-1)))

upkeep.run_once = run_once
"""
"""Upkeep that takes bytes away as soon as nothing points at them; no setting goes so far."""


def back_up(folder: Path, target: Path, *options: str) -> str:
    """The name of a new snapshot."""
    done = run("backup", target, "--data", folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()[1]


def restore(target: Path, folder: Path, *options: str) -> None:
    done = run("restore", target, "--data", folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr


def shown(folder: Path, product_id: int) -> dict[str, str]:
    """The digest of each image of a product, by its name."""
    database = sqlite3.connect(folder / "packshot.sqlite3")
    try:
        query = "SELECT i.name, b.digest FROM image i JOIN blob b ON b.id = i.blob_id WHERE i.product_id = ?1"
        return dict(database.execute(query, (product_id,)).fetchall())
    finally:
        database.close()


def require_prefix(folder: Path, workers: list[Worker], begun_s: float, ended_s: float) -> None:
    """The store is whole, and holds all that was committed by some moment during its backup and nothing else."""
    assert stock.faults_of(folder) == []
    least, most = [], []
    for worker in workers:
        there = shown(folder, worker.product_id)
        first = sum(change.acked_s < begun_s for change in worker.changes)
        last = sum(change.begun_s < ended_s for change in worker.changes)
        fitting = [count for count in range(first, last + 1) if worker.held(count) == there]
        assert fitting, f"worker {worker.number}: neither of {first} to {last} changes"
        least.append(fitting[0])
        most.append(fitting[-1])
    newest_s = max(w.changes[count - 1].begun_s for w, count in zip(workers, least, strict=True) if count)
    for worker, count in zip(workers, most, strict=True):
        assert all(change.acked_s > newest_s for change in worker.changes[count:])


def drill(folder: Path, count: int) -> dict[str, float]:
    """So many backups under load, each restored and looked at; returns figures."""
    data, target, taken = folder / "data", folder / "backups", []
    with serving_with(data, HASTY, SETTINGS) as server, loaded(server) as workers:
        for _ in range(count):
            time.sleep(1.2)
            begun_s = time.monotonic()
            taken.append((back_up(data, target), begun_s, time.monotonic()))
    for number, (snapshot, begun_s, ended_s) in enumerate(taken):
        place = folder / str(number)
        restore(target, place, "--snapshot", snapshot)
        require_prefix(place, workers, begun_s, ended_s)
        verified = run("verify", "--full", "--data", place)
        assert verified.returncode == 0, verified.stdout
    changes = [change for worker in workers for change in worker.changes]
    deleted = sum(change.digest is None for change in changes)
    slowest_s = max(change.acked_s - change.begun_s for change in changes)
    return {"backups": count, "changes": len(changes), "deletions": deleted, "slowest change, s": round(slowest_s, 2)}


def test_backups_under_load_come_back_as_a_prefix_of_what_was_committed(tmp_path: Path) -> None:
    figures = drill(tmp_path, 3)

    assert figures["changes"] > 100
    assert figures["deletions"] > 20


@pytest.mark.long
def test_twenty_backups_under_load_come_back_as_prefixes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = drill(tmp_path, 20)

    with capsys.disabled():
        sys.stdout.write(f"\nbackups: {', '.join(f'{name} {value}' for name, value in figures.items())}\n")
    assert figures["changes"] > 1_000


def test_a_restored_store_serves_and_takes_writes_under_ids_that_nobody_had(tmp_path: Path) -> None:
    data, target, back = tmp_path / "data", tmp_path / "backups", tmp_path / "back"
    with serving(data) as server:
        method = f"{server.webhook_url}catalog.product"
        body = {"fields": {"iblockId": 1, "name": "Shirt"}}
        kept = httpx.post(f"{method}.add", json=body).json()["result"]["element"]["id"]
        back_up(data, target)
        lost = httpx.post(f"{method}.add", json=body).json()["result"]["element"]["id"]
        facts = server.facts
    restore(target, back)

    with serving(back, facts=facts) as server:
        method = f"{server.webhook_url}catalog.product"
        there = httpx.post(f"{method}.get", json={"id": kept})
        gone = httpx.post(f"{method}.get", json={"id": lost})
        added = httpx.post(f"{method}.add", json=body).json()["result"]["element"]["id"]

    assert there.json()["result"]["product"]["id"] == kept
    assert gone.status_code == 400
    assert added > lost


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backup", "ftp://host/shop"], "ftp://host/shop is neither a folder nor a place in a bucket"),
        (["backup", "DATA"], "is in the store itself, and would be lost with it: name another place"),
        (["restore", "EMPTY"], "there is no backup in"),
        (["restore", "TARGET"], "is not empty: name a folder with nothing in it by --data"),
        (["restore", "TARGET", "--snapshot", "yesterday"], "there is no snapshot yesterday in"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, words: list[str], said: str
) -> None:  # fmt: skip
    back_up(folder, tmp_path / "backups")
    places = {"DATA": folder, "TARGET": tmp_path / "backups", "EMPTY": tmp_path / "empty"}

    done = run(*(places.get(word, word) for word in words), "--data", folder)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_only_what_is_missing_is_copied_and_old_snapshots_go(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    names = [back_up(folder, target) for _ in range(3)]

    done = run("backup", target, "--data", folder, "--keep", "2")

    assert "Removed 2 snapshots, and 0 blobs that none needs." in done.stdout
    kept = sorted(path.name for path in (target / "snapshots").iterdir())
    assert kept == [names[2], done.stdout.split()[1]]


def test_a_picture_that_is_lost_is_named_and_the_others_are_kept(folder: Path, tmp_path: Path) -> None:
    with serving(folder) as server:
        body = {
            "fields": {
                "iblockId": 1,
                "name": "Shirt",
                "detailPicture": {"fileData": ["a.png", b64encode(png()).decode()]},
            }
        }
        assert httpx.post(f"{server.webhook_url}catalog.product.add", json=body).status_code == 200
    (blob,) = (path for part in (folder / "blobs").iterdir() for path in part.iterdir())
    blob.write_bytes(bytes(blob.stat().st_size))

    done = run("backup", tmp_path / "backups", "--data", folder)

    assert done.returncode == 1
    assert f"WRONG blob {blob.name} is missing or damaged (image 1, a.png" in done.stdout
    assert not list((tmp_path / "backups" / "blobs").rglob(blob.name))
