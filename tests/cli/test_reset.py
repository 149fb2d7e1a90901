"""`packshot reset`, `init --seed` and `serve --seed`: a store as it was at the beginning."""

import json
import os
import pty
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from forking import run
from packshot.storage.folder import DATABASE
from serving import PACKSHOT, Server, first_start, init, new_store, serving

SEED = """
[[sections]]
key = "mugs"
name = "Mugs"

[[products]]
key = "mug"
name = "Harbour mug"
iblockSectionId = "mugs"
images = [{ drawn = "mug", sidePx = 50 }]
"""


@pytest.fixture
def seed_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(SEED, "utf-8")
    return path


def call(server: Server, method: str, params: Any = None) -> Any:
    answer = httpx.post(f"{server.webhook_url}{method}", json=params or {}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def product_names(server: Server) -> list[str]:
    wanted = {"select": ["id", "iblockId", "name"], "filter": {"iblockId": 1}}
    return [product["name"] for product in call(server, "catalog.product.list", wanted)["products"]]


def add(server: Server, name: str) -> int:
    return int(call(server, "catalog.product.add", {"fields": {"iblockId": 1, "name": name}})["element"]["id"])


def test_beside_a_running_server_a_store_comes_back_and_its_addresses_stay(tmp_path: Path, seed_file: Path) -> None:
    with serving(tmp_path / "data") as server:
        add(server, "Shirt")
        seeded = run("reset", "--data", tmp_path / "data", "--seed", seed_file, "--yes")
        after_seed = product_names(server)
        emptied = run("reset", "--data", tmp_path / "data", "--yes")
        after = product_names(server)
        first = add(server, "Shirt")

    assert seeded.stdout == f"The store in {tmp_path / 'data'} holds what {seed_file} describes.\n"
    assert after_seed == ["Harbour mug"]
    assert emptied.stdout == f"The store in {tmp_path / 'data'} holds two empty catalogs.\n"
    assert (after, first) == ([], 1)


def stored(folder: Path, what: str = "product") -> list[str]:
    """The names of what is in a store that nobody serves."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        return [name for (name,) in database.execute(f"SELECT name FROM {what} ORDER BY id")]


def test_the_samples_come(tmp_path: Path) -> None:
    new_store(tmp_path / "data")

    done = run("reset", "--data", tmp_path / "data", "--demo", "--yes")

    assert done.stdout == f"The store in {tmp_path / 'data'} holds the sample catalogue.\n"
    assert stored(tmp_path / "data", "image")[0] == "test.jpeg"
    assert stored(tmp_path / "data", "inventory_product") == ["Print First Light", "Print Last Light"]


def test_where_nobody_can_be_asked_it_is_refused_and_nothing_goes(tmp_path: Path, seed_file: Path) -> None:
    init(tmp_path / "data", "--seed", str(seed_file))

    done = run("reset", "--data", tmp_path / "data")

    assert done.returncode == 2
    assert done.stderr == (
        f"packshot: everything in the catalogs of {tmp_path / 'data'} would go: say --yes where nobody can be asked\n"
    )
    assert stored(tmp_path / "data") == ["Harbour mug"]


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
def test_a_person_is_asked_first(tmp_path: Path, seed_file: Path, answer: str, left: int) -> None:
    init(tmp_path / "data", "--seed", str(seed_file))
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())

    command = [*PACKSHOT, "reset", "--data", str(tmp_path / "data")]
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60, check=False)

    os.close(terminal)
    os.close(keyboard)
    assert "Everything in the catalogs of" in done.stdout
    assert done.returncode == left
    assert len(stored(tmp_path / "data")) == left


@pytest.mark.parametrize("command", ["reset", "init", "serve"])
def test_a_seed_file_and_the_samples_exclude_each_other(tmp_path: Path, seed_file: Path, command: str) -> None:
    if command == "reset":
        init(tmp_path / "data")

    done = run(command, "--data", tmp_path / "data", "--demo", "--seed", seed_file)

    assert (done.returncode, done.stderr) == (2, "packshot: --demo and --seed exclude each other\n")


@pytest.mark.parametrize("command", [["init"], ["serve", "--port", "0"]])
def test_a_mistake_in_the_seed_file_is_found_before_anything_is_made(
    tmp_path: Path, seed_file: Path, command: list[str]
) -> None:
    seed_file.write_text(SEED.replace("iblockSectionId", "iblockSection"), "utf-8")

    done = run(*command, "--data", tmp_path / "data", "--seed", seed_file)

    assert (done.returncode, done.stderr) == (
        2,
        f"packshot: In {seed_file}, product 1 (mug): there is no field iblockSection: do you mean iblockSectionId?\n",
    )
    assert not (tmp_path / "data").exists()


def test_a_mistake_in_the_seed_file_leaves_a_store_alone(tmp_path: Path, seed_file: Path) -> None:
    init(tmp_path / "data", "--seed", str(seed_file))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    seed_file.write_text(SEED.replace('drawn = "mug", sidePx = 50', 'file = "broken.png"'), "utf-8")

    done = run("reset", "--data", tmp_path / "data", "--seed", seed_file, "--yes")

    assert done.returncode == 2
    assert done.stderr.startswith(f"packshot: In {seed_file}, product 1 (mug), image 1: ")
    assert stored(tmp_path / "data") == ["Harbour mug"]


def test_init_prints_the_ids_by_key(tmp_path: Path, seed_file: Path) -> None:
    facts = init(tmp_path / "data", "--seed", str(seed_file))

    assert facts["ids"] == {"products": 1, "variations": 2, "mugs": 1, "mug": 1}


def test_serve_fills_an_empty_store_from_a_seed_file_and_leaves_any_other_alone(
    tmp_path: Path, seed_file: Path
) -> None:
    with first_start(tmp_path / "data", "--seed", str(seed_file)) as server:
        names = product_names(server)
        call(server, "catalog.product.delete", {"id": 1})
        code = server.webhook_url.split("/")[-2]
    facts = {"user_id": 1, "webhook_code": code}
    with serving(tmp_path / "data", "--seed", str(seed_file), facts=facts) as server:
        later, printed = product_names(server), server.printed()

    assert (names, later) == (["Harbour mug"], [])
    assert "--demo and --seed fill an empty store only" in printed
    assert f"packshot reset --data {tmp_path / 'data'} --seed {seed_file}" in printed


def test_a_seed_file_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({"products": [{"key": "mug", "name": "Harbour mug"}]}), "utf-8")

    assert init(tmp_path / "data", "--seed", str(path))["ids"]["mug"] == 1


def test_there_has_to_be_a_store(tmp_path: Path) -> None:
    done = run("reset", "--data", tmp_path / "none", "--yes")

    assert done.returncode == 2
    assert "there is no store in" in done.stderr
