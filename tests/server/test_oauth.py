"""OAuth against a real server: what it prints and keeps on its disk has no secret in it."""

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from forking import run
from oauth_client import PASSWORD, form_token
from serving import Server, serving

DEBUG = {"PACKSHOT_LOG_LEVEL": "debug"}
LIST = "/rest/catalog.catalog.list"


def registered(folder: Path) -> dict[str, str]:
    """What the command prints about a new application."""
    done = run("app", "create", "Prices", "--redirect-uri", "https://app.example/back", "--data", folder)
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def set_password(folder: Path) -> None:
    done = run("user", "passwd", "admin", "--stdin", "--data", folder, typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr


def agree(browser: httpx.Client, app: dict[str, str]) -> str:
    """The code that the application is given."""
    address = str(httpx.URL("/oauth/authorize/", params={"client_id": app["client_id"], "state": "x"}))
    forms = ({"action": "login", "login": "admin", "password": PASSWORD}, {"action": "allow"})
    answers = [browser.post(address, data={**form_token(browser.get(address)), **form}) for form in forms]
    assert [answer.status_code for answer in answers] == [303, 303]
    return parse_qs(urlsplit(answers[1].headers["location"]).query)["code"][0]


def tokens(browser: httpx.Client, app: dict[str, str], **values: str) -> dict[str, Any]:
    known = {"client_id": app["client_id"], "client_secret": app["client_secret"]}
    answer = browser.get("/oauth/token/", params={**known, **values})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def all_secrets(server: Server, folder: Path) -> list[str]:
    """Everything secret that comes up while somebody agrees and an application calls, refreshes and is refused."""
    set_password(folder)
    app = registered(folder)
    with httpx.Client(base_url=server.base_url) as browser:
        code = agree(browser, app)
        first = tokens(browser, app, grant_type="authorization_code", code=code)
        second = tokens(browser, app, grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert second["server_endpoint"] == f"{server.base_url}/rest/"
        for token in (first["access_token"], second["access_token"]):
            assert browser.post(LIST, json={"auth": token}).status_code == 200
            assert browser.get(LIST, headers={"authorization": f"Bearer {token}"}).status_code == 200
            browser.get(f"/rest/1/{token}/catalog.catalog.list")
        browser.get(
            "/oauth/token/", params={"client_id": app["client_id"], "client_secret": "c0ffee" * 6, "code": code}
        )
        browser.get(f"/oauth/{code}")
        session = next(iter(browser.cookies.values()))
    pair = [made[name] for made in (first, second) for name in ("access_token", "refresh_token")]
    return [code, session, PASSWORD, app["client_secret"], app["application_token"], "c0ffee" * 6, *pair]


def printed_so_far(server: Server) -> str:
    """What the server has printed, once the line of a request of this moment is among it."""
    httpx.get(f"{server.base_url}/healthz", headers={"x-request-id": "the-last-one"})
    end = time.monotonic() + 10
    while "the-last-one" not in server.printed() and time.monotonic() < end:
        time.sleep(0.02)
    return server.printed()


def test_the_whole_way_round_leaves_no_secret_in_the_log_or_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder, environment=DEBUG) as server:
        secrets = all_secrets(server, folder)
        printed = printed_so_far(server)
    stored = b"".join(path.read_bytes() for path in folder.glob("packshot.sqlite3*"))

    assert len(set(secrets)) == 10
    assert re.search(rb"local\.[0-9a-f]{13}\.\d{8}", stored)
    assert [secret for secret in secrets if secret.encode() in stored] == []
    assert "oauth.token" in printed
    assert [secret for secret in secrets if secret in printed] == []
