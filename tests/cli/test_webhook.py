"""`packshot webhook create`: new addresses, also beside a running server."""

import re
import time
from pathlib import Path

import httpx
import pytest

from forking import run
from serving import Server, new_store, serving


def create(folder: Path, *options: str) -> str:
    """The path that the command prints."""
    done = run("webhook", "create", "--data", folder, *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.fullmatch(r"/rest/1/[a-z0-9]{32}/\n", done.stdout)
    return done.stdout.strip()


def ask(server: Server, path: str) -> httpx.Response:
    return httpx.get(f"{server.base_url}{path}catalog.productImage.getFields")


def test_a_webhook_made_beside_a_running_server_works_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        path = create(tmp_path / "data")

        answer = ask(server, path)
        old = ask(server, server.webhook_url.removeprefix(server.base_url))

    assert answer.status_code == 200
    assert "productImage" in answer.json()["result"]
    assert old.status_code == 200


def test_nothing_but_the_address_is_printed_also_where_there_is_something_to_log(tmp_path: Path) -> None:
    new_store(tmp_path / "data")
    (tmp_path / "data" / "reserve").touch()  # the disk was full

    done = run("webhook", "create", "--data", tmp_path / "data", environment={"PACKSHOT_DISK_RESERVE_BYTES": "4096"})

    assert re.fullmatch(r"/rest/1/[a-z0-9]{32}/\n", done.stdout)
    assert (tmp_path / "data" / "reserve").stat().st_size == 4096, "there was nothing to log"


def test_a_webhook_of_another_account_is_one_of_its_first_user_unless_another_is_named(folder: Path) -> None:
    run("account", "create", "second", "--data", folder)

    made = run("webhook", "create", "--account", "second", "--data", folder)
    strange = run("webhook", "create", "--account", "second", "--user", "1", "--data", folder)
    lost = run("webhook", "create", "--account", "third", "--data", folder)

    assert made.stdout.startswith("/rest/2/")
    assert [done.returncode for done in (strange, lost)] == [2, 2]
    assert lost.stderr.startswith("packshot: there is no account third")


def test_two_webhooks_are_two_codes(tmp_path: Path) -> None:
    new_store(tmp_path / "data")

    assert create(tmp_path / "data") != create(tmp_path / "data")


@pytest.mark.parametrize("options", [["--scopes", "user"], ["--scopes", ""]])
def test_a_webhook_may_do_only_what_its_scopes_say(tmp_path: Path, options: list[str]) -> None:
    with serving(tmp_path / "data") as server:
        answer = ask(server, create(tmp_path / "data", *options))

    assert answer.status_code == 403
    assert answer.json()["error"] == "insufficient_scope"


def test_a_webhook_ends_when_it_was_told_to(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        path = create(tmp_path / "data", "--expires-in", "3")
        made = time.monotonic()
        first = ask(server, path)
        while ask(server, path).status_code == 200 and time.monotonic() < made + 8:
            time.sleep(0.1)
        last = ask(server, path)

    assert first.status_code == 200
    assert last.status_code == 401
    assert last.json()["error"] == "NO_AUTH_FOUND"


def test_with_a_public_address_the_whole_address_is_printed(tmp_path: Path) -> None:
    new_store(tmp_path / "data")
    environment = {"PACKSHOT_SERVER_PUBLIC_URL": "https://pictures.example/"}

    done = run("webhook", "create", "--data", tmp_path / "data", environment=environment)

    assert re.fullmatch(r"https://pictures\.example/rest/1/[a-z0-9]{32}/\n", done.stdout)
