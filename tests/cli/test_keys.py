"""`packshot keys`, and the first pair: what FinerWorks clients call with, managed beside a running server."""

import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from forking import run
from serving import Server, first_start, init, serving

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def create(folder: Path, *options: str) -> dict[str, str]:
    done = run("keys", "create", "--data", folder, "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    facts: dict[str, str] = json.loads(done.stdout)
    return facts


def ask(server: Server, pair: dict[str, Any], path: str = "get_user") -> httpx.Response:
    sent = {name: pair[name] for name in ("web_api_key", "app_key")}
    return httpx.get(f"{server.base_url}/v3/{path}", headers=sent)


def lines(folder: Path, *words: str) -> list[str]:
    done = run(*words, "--data", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_keys_made_and_revoked_beside_a_running_server(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        prints = create(folder, "--account", "prints", "--mode", "test")
        again = create(folder, "--account", "prints")
        operator = create(folder, "--privileged")

        own, theirs = ask(server, server.facts), ask(server, prints)
        for_them = ask(server, operator, f"get_user?account_key={prints['account_key']}")
        lines(folder, "keys", "revoke", "2", "--account", "prints")
        end = time.monotonic() + 3
        while (ended := ask(server, prints)).status_code == 200 and time.monotonic() < end:
            time.sleep(0.1)
        printed = server.printed()

    assert set(prints) == {"web_api_key", "app_key", "account_key", "webhook_url"}
    assert set(again) == {"web_api_key", "app_key", "account_key"}
    assert again["account_key"] == prints["account_key"] != operator["account_key"]
    assert all(re.fullmatch(UUID, again[name]) for name in again)
    assert [answer.json()["user_account"]["account_id"] for answer in (own, theirs, for_them)] == [1, 2, 2]
    assert ended.status_code == 400
    (marked,) = [line for line in printed.splitlines() if '"mode":"test"' in line and '"status":200' in line][:1]
    assert '"route":"get_user"' in marked
    assert not [key for pair in (prints, operator, server.facts) for key in (pair["app_key"],) if key in printed]


def test_the_list_shows_pairs_without_their_keys(tmp_path: Path) -> None:
    facts = init(tmp_path)
    create(tmp_path, "--privileged", "--mode", "test")

    account_key, first, second = lines(tmp_path, "keys", "list")

    assert account_key == f"account_key: {facts['account_key']}"
    assert re.fullmatch(r"1 live, since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first)
    assert second.startswith("2 test, privileged, since ")


def test_without_json_each_key_is_a_line(tmp_path: Path) -> None:
    init(tmp_path)

    printed = "\n".join(lines(tmp_path, "keys", "create"))

    assert re.fullmatch(rf"web_api_key: {UUID}\napp_key: {UUID}\naccount_key: {UUID}", printed)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["create", "--mode", "fast"], "unknown mode fast: there are live, test"),
        (["revoke", "99"], "pair of keys"),
        (["revoke", "1", "--account", "nobody"], "account"),
        (["list", "--account", "nobody"], "account"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path, words: list[str], why: str) -> None:
    init(tmp_path)

    done = run("keys", *words, "--data", tmp_path)

    assert done.returncode == 2
    assert why in done.stderr.lower()
    assert done.stderr.count("\n") == 1


def test_the_first_start_prints_a_pair_that_works_and_keeps_it_nowhere(tmp_path: Path) -> None:
    with first_start(tmp_path / "data") as server:
        printed = server.printed()
        pair = dict(re.findall(rf"(web_api_key|app_key|account_key): ({UUID})", printed))
        answer = ask(server, pair)

    assert answer.status_code == 200
    files = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not [file for file in files for name in ("web_api_key", "app_key") if pair[name].encode() in file]
    assert not [file for file in files if pair["account_key"].encode() in file]


class Dropped(BaseHTTPRequestHandler):
    """Answers as Packshot does behind a proxy that drops the keys."""

    def do_GET(self) -> None:
        self.send_response(400)
        self.send_header("X-Packshot-Received-Keys", "none")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_doctor_says_what_to_do_about_a_proxy_that_drops_keys(tmp_path: Path) -> None:
    init(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Dropped) as proxy:
        answering = threading.Thread(target=proxy.handle_request)
        answering.start()
        done = run("doctor", "--data", tmp_path, "--url", f"http://127.0.0.1:{proxy.server_port}")
        answering.join()

    assert done.returncode == 1
    assert "WRONG keys" in done.stdout
    assert "underscores_in_headers on;" in done.stdout


def test_doctor_sees_whether_the_keys_reach_the_server(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        well = run("doctor", "--data", folder, "--url", f"{server.base_url}/")
        port = urlsplit(server.base_url).port
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        gone = run("doctor", "--data", folder, "--url", nobody)
        other = run("doctor", "--data", folder, "--url", f"http://127.0.0.1:{port}/elsewhere")

    assert well.returncode == 0
    assert "ok    keys: web_api_key and app_key reach the server" in well.stdout
    assert (gone.returncode, other.returncode) == (1, 1)
    assert f"WRONG keys: {nobody} does not answer" in gone.stdout
    assert "not as Packshot does" in other.stdout
