"""`packshot account`, `user`, `app` and `webhook`: who may call, managed beside a running server."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from forking import run
from serving import serving

if TYPE_CHECKING:
    from subprocess import CompletedProcess

LIST = "catalog.catalog.list"
NO_ACCOUNT = "there is no account nobody: `packshot account list` shows what there is"
NO_USER = "there is no user nobody: `packshot user list` shows what there is"
NO_APPLICATION = "there is no application local.1.1: `packshot app list` shows what there is"
_UNFIT = "there is a text that is not UTF-8, or a number that is too large"


def do(folder: Path, *words: str) -> list[str]:
    """The lines that a command prints which does what it was told."""
    done = run(*words, "--data", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def passwd(folder: Path, login: str, password: str) -> "CompletedProcess[str]":
    return run("user", "passwd", login, "--stdin", "--data", folder, typed=f"{password}\n")


def status_within(url: str, wanted: int) -> int:
    """The status of a call, as soon as it is the wanted one; two seconds later at the latest."""
    end = time.monotonic() + 2
    while (status := httpx.get(url).status_code) != wanted and time.monotonic() < end:
        time.sleep(0.1)
    return status


def test_a_running_server_follows_what_the_commands_change(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server:
        own = f"{server.webhook_url}{LIST}"
        (path,) = do(folder, "account", "create", "second")
        second = f"{server.base_url}{path}{LIST}"

        assert [httpx.get(url).status_code for url in (own, second)] == [200, 200]
        do(folder, "account", "state", "main", "blocked")
        assert status_within(own, 503) == 503
        assert httpx.get(second).status_code == 200
        do(folder, "account", "state", "main", "normal")
        assert status_within(own, 200) == 200
        do(folder, "user", "disable", "admin")
        assert status_within(own, 403) == 403
        do(folder, "user", "enable", "admin")
        assert status_within(own, 200) == 200
        do(folder, "webhook", "revoke", "1")
        assert status_within(own, 401) == 401


def test_lists_show_what_there_is_and_no_secret(folder: Path) -> None:
    do(folder, "account", "quota", "main", "5000")
    assert do(folder, "user", "add", "Anna", "--role", "editor", "--name", "Anna", "--email", "a@shop.example") == [
        "user 2"
    ]
    do(folder, "user", "disable", "anna")
    made = do(folder, "app", "create", "Prices", "--redirect-uri", "https://app.example/", "--user", "2", "--user", "1")
    client_id, secret = made[0].removeprefix("client_id: "), made[1].removeprefix("client_secret: ")
    do(folder, "webhook", "create", "--title", "Nightly export")

    assert re.fullmatch(r"local\.[0-9a-f]{13}\.\d{8}", client_id)
    (account,) = do(folder, "account", "list")
    assert re.fullmatch(r"1 main: normal, quota 5000 bytes, member_id [0-9a-f]{32}", account)
    assert do(folder, "user", "list") == ["1 admin: administrator", "2 anna: editor, disabled, Anna a@shop.example"]
    (shown,) = do(folder, "app", "list")
    assert shown == f"{client_id} Prices: catalog,user, users 1, 2, https://app.example/"
    assert secret not in shown
    assert do(folder, "webhook", "list")[1].endswith("Nightly export")
    do(folder, "app", "users", client_id)
    assert "everybody" in do(folder, "app", "list")[0]
    do(folder, "app", "delete", client_id)
    assert do(folder, "app", "list") == []


def test_a_password_comes_from_the_input_and_ends_in_no_output(folder: Path) -> None:
    done = passwd(folder, "admin", "a good password")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("account create main", "there is an account main already"),
        ("account state main open", "unknown state open: there are normal, blocked, no_plan, closed"),
        ("account state nobody closed", NO_ACCOUNT),
        ("account quota main much", "much is no number of bytes, nor none"),
        ("account quota nobody none", NO_ACCOUNT),
        ("user add admin --role editor", "The login admin is taken"),
        ("user add eve --role boss", "unknown role boss: there are administrator, editor, viewer, none"),
        ("user add eve --role editor --account nobody", NO_ACCOUNT),
        ("user passwd nobody --stdin", NO_USER),
        ("user passwd admin --stdin", "The password has 8 to 200 characters"),
        ("user disable nobody", NO_USER),
        ("user enable nobody", NO_USER),
        ("user list --account nobody", NO_ACCOUNT),
        ("app create x --redirect-uri https://a.example/ --user 9", NO_USER.replace("nobody", "9")),
        ("app create x --redirect-uri https://a.example/ --account nobody", NO_ACCOUNT),
        ("app users local.1.1 1", NO_APPLICATION),
        ("app delete local.1.1", NO_APPLICATION),
        ("webhook revoke 9", "there is no webhook 9: `packshot webhook list` shows what there is"),
        ("webhook revoke 99999999999999999999", _UNFIT),
        ("webhook create --user 99999999999999999999", _UNFIT),
        ("app create x --redirect-uri https://a.example/ --user 99999999999999999999", _UNFIT),
        ("account quota main 9223372036854775808", "9223372036854775808 is no number of bytes, nor none"),
        ("account state \udcff normal", _UNFIT),
        ("webhook list --account nobody", NO_ACCOUNT),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(folder: Path, words: str, line: str) -> None:
    done = run(*words.split(), "--data", folder)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"packshot: {line}\n")


@pytest.mark.parametrize(
    "address",
    ["app.example", "javascript:alert(1)", "https://a.example/#x", "https://u:p@a.example/", "https:///x",
     "http://a b/", "https://a.example/\n", "ftp://a.example/", "//a.example", "https://[x]/"],
)  # fmt: skip
def test_an_address_that_people_cannot_be_sent_to_is_refused(folder: Path, address: str) -> None:
    done = run("app", "create", "x", "--redirect-uri", address, "--data", folder)

    assert done.returncode == 2
    assert done.stderr.startswith("packshot: The redirect URI has to be an address like https://")
    assert done.stderr.count("\n") == 1
