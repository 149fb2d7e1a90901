"""`packshot doctor` on stores in good order and on damaged ones."""

import shutil
from pathlib import Path

import httpx
import pytest

from build import file_content
from forking import run
from pictures import png
from serving import serving

DATABASE = "packshot.sqlite3"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    with serving(folder) as server:
        add(server.webhook_url, png())
    return folder


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    """The folder of a store with one picture in it."""
    return shutil.copytree(store, tmp_path / "data")


def add(webhook_url: str, data: bytes) -> None:
    """Add a product with a picture."""
    product = httpx.post(f"{webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}})
    fields = {"productId": product.json()["result"]["element"]["id"]}
    picture = {"fields": fields, "fileContent": file_content(data)}
    assert httpx.post(f"{webhook_url}catalog.productImage.add", json=picture).status_code == 200


def the_blob(folder: Path) -> Path:
    (path,) = (folder / "blobs").glob("*/*")
    return path


@pytest.mark.parametrize(("required", "minded"), [("false", True), ("true", False)])
def test_a_public_address_without_required_https_is_minded(folder: Path, required: str, *, minded: bool) -> None:
    settings = {"PACKSHOT_SERVER_PUBLIC_URL": "https://pictures.example", "PACKSHOT_BITRIX_REQUIRE_HTTPS": required}

    done = run("doctor", "--data", folder, environment=settings)

    assert done.returncode == 0
    assert ("mind  settings: webhooks are taken over plain HTTP" in done.stdout) is minded


def test_a_store_in_good_order_is_said_to_be_so(folder: Path) -> None:
    done = run("doctor", "--data", folder)

    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines.pop(3) == "ok    reserve: nothing is set aside for deleting"
    assert lines.pop(3).startswith("ok    image workers: ")
    assert lines == [
        "ok    settings: every value fits",
        "ok    database: consistent",
        "ok    blobs: 1 rows, every live one has its bytes",
        "ok    files without a row: 0 (swept once they are 24 hours old)",
        "ok    formats: 1 png",
        "ok    renditions: 0 files, 0.0 of 2048 MB at most",
    ]


def test_it_may_look_while_a_server_serves(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        add(server.webhook_url, png())

        done = run("doctor", "--data", tmp_path / "data")

    assert done.returncode == 0
    assert "blobs: 1 rows" in done.stdout


def test_it_leaves_a_store_as_it_was(folder: Path) -> None:
    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = everything()
    run("doctor", "--data", folder)

    assert everything() == before


def test_missing_bytes_are_found(folder: Path) -> None:
    blob = the_blob(folder)
    blob.unlink()

    done = run("doctor", "--data", folder)

    assert done.returncode == 1
    assert f"WRONG blob {blob.name} is missing (image 1, " in done.stdout
    assert "of product 1): upload the picture again, or restore it" in done.stdout


def test_bytes_cut_off_are_found(folder: Path) -> None:
    blob = the_blob(folder)
    blob.write_bytes(png()[:10])

    done = run("doctor", "--data", folder)

    assert done.returncode == 1
    assert f"WRONG blob {blob.name} has 10 bytes instead of {len(png())}" in done.stdout


def test_a_file_nobody_knows_is_counted_and_no_error(folder: Path) -> None:
    (folder / "blobs" / "ab" / f"{'ab' * 32}.0123456789abcdef").touch()
    (folder / "blobs" / ".DS_Store").touch()  # not ours: neither counted nor in the way

    done = run("doctor", "--data", folder)

    assert done.returncode == 0
    assert "ok    files without a row: 1 (swept once they are 24 hours old)" in done.stdout.splitlines()


@pytest.mark.parametrize("start", [0, 4096, 65_536])
def test_a_damaged_database_is_found(folder: Path, start: int) -> None:
    damaged = bytearray((folder / DATABASE).read_bytes())
    damaged[start : start + 8192] = b"\xff" * 8192
    (folder / DATABASE).write_bytes(damaged)

    done = run("doctor", "--data", folder)

    assert done.returncode == 1
    assert "WRONG database: " in done.stdout
    assert "Traceback" not in done.stderr


def test_damaged_settings_are_found_first(folder: Path) -> None:
    done = run("doctor", "--data", folder, environment={"PACKSHOT_UPKEEP_EVERY_S": "often"})

    assert done.returncode == 2
    assert done.stdout == ""
