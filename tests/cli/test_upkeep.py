"""`packshot verify` and `packshot upkeep`, beside a server and without one."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from build import file_content
from forking import run
from pictures import png
from serving import serving


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    with serving(folder) as server:
        add(server.webhook_url)
    return folder


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    """The folder of a store with one picture in it."""
    return shutil.copytree(store, tmp_path / "data")


def add(webhook_url: str) -> str:
    """Add a product with a picture; return its public address."""
    product = httpx.post(f"{webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}})
    fields = {"productId": product.json()["result"]["element"]["id"]}
    picture = {"fields": fields, "fileContent": file_content(png())}
    added = httpx.post(f"{webhook_url}catalog.productImage.add", json=picture)
    return str(httpx.URL(webhook_url).join(added.json()["result"]["productImage"]["detailUrl"]))


def the_blob(folder: Path) -> Path:
    (path,) = (folder / "blobs").glob("*/*")
    return path


def test_a_healthy_store_is_said_to_be_so(folder: Path) -> None:
    done = run("verify", "--full", "--data", folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "ok    database: consistent",
        "ok    blobs: 1 rows, every live one has the bytes that were stored",
    ]


def test_what_is_wrong_is_named_and_the_command_fails(folder: Path) -> None:
    the_blob(folder).write_bytes(bytes(len(png())))

    quick, full = run("verify", "--data", folder), run("verify", "--full", "--data", folder)

    assert quick.returncode == 0
    assert full.returncode == 1
    assert f"WRONG blob {the_blob(folder).name} is damaged (image 1, " in full.stdout


def test_a_verify_that_was_interrupted_can_be_gone_on_with(folder: Path) -> None:
    the_blob(folder).unlink()

    whole, rest = run("verify", "--data", folder), run("verify", "--data", folder, "--after", "1")

    assert whole.returncode == 1
    assert (rest.returncode, rest.stdout) == (0, "ok    blobs: 0 rows, every live one has its bytes\n")


def test_a_damaged_database_is_named(folder: Path) -> None:
    (folder / "packshot.sqlite3").write_bytes(b"\xff" * 8192)

    done = run("verify", "--data", folder)

    assert done.returncode == 1
    assert done.stdout.startswith("WRONG database: ")


def test_one_round_of_upkeep_says_what_it_did(folder: Path) -> None:
    done = run("upkeep", "--data", folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert "doomed: 0" in done.stdout.splitlines()
    assert "given up: 0" in done.stdout.splitlines()


def test_beside_a_server_what_is_damaged_is_found_and_repaired_from_the_second_copy(tmp_path: Path) -> None:
    folder, mirror = tmp_path / "data", tmp_path / "mirror"
    with serving(folder) as server:
        address = add(server.webhook_url)
        copy = the_blob(folder)
        shutil.copytree(folder / "blobs", mirror)
        copy.write_bytes(bytes(len(png())))

        found = run("upkeep", "--scrub", "--data", folder)
        refused = httpx.get(address)
        repaired = run("upkeep", "--scrub", "--data", folder, environment={"PACKSHOT_BLOBS_MIRROR": str(mirror)})
        shown = httpx.get(address)

    assert found.returncode == 1
    assert found.stdout.splitlines()[-4:-1] == ["blobs: 1", "corrupt: 1", "repaired: 0"]
    assert "WRONG missing or damaged: 1; `packshot verify` names them" in found.stdout
    assert json.loads(found.stderr)["event"] == "original is missing or damaged"
    assert refused.status_code == 503
    assert repaired.returncode == 0
    assert "repaired: 1" in repaired.stdout.splitlines()
    assert shown.status_code == 200


def test_a_terminal_sees_a_bar(folder: Path) -> None:
    reader, terminal = pty.openpty()
    command = [sys.executable, "-m", "packshot", "upkeep", "--scrub", "--data", str(folder)]

    subprocess.run(command, stderr=terminal, stdout=subprocess.PIPE, check=True, timeout=60)
    os.close(terminal)
    shown = os.read(reader, 10_000).decode()
    os.close(reader)

    assert "[####################] 1 of 1 originals" in shown
