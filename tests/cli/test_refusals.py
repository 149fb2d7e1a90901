"""What cannot be done: exit code 2, one clear line on standard error, no traceback, and nothing harmed."""

import socket
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from forking import run
from serving import new_store, serving

if TYPE_CHECKING:
    from subprocess import CompletedProcess

DATABASE = "packshot.sqlite3"


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def line_of(done: "CompletedProcess[str]") -> str:
    """The one line a refused command prints."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("packshot: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("packshot: ").strip()


# The folder


def test_a_second_init_is_refused_and_says_how_to_get_another_webhook(folder: Path) -> None:
    before = (folder / DATABASE).read_bytes()

    line = line_of(run("init", "--data", folder, "--json"))

    assert line == f"{folder} holds a store already. For a new webhook: packshot webhook create --data {folder}"
    assert (folder / DATABASE).read_bytes() == before


def test_a_command_that_a_line_proposes_can_be_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    new_store(folder)

    line = line_of(run("init", "--data", folder))

    assert line.endswith(f"packshot webhook create --data '{folder}'")


@pytest.mark.parametrize("command", [["init"], ["serve", "--port", "0"]])
@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x", "/proc/self/fd"])
def test_a_folder_that_cannot_be_made_or_written_to_is_named(command: list[str], place: str) -> None:
    assert place in line_of(run(*command, "--data", place))


@pytest.mark.parametrize("command", [["init"], ["serve", "--port", "0"]])
def test_a_file_is_no_data_folder(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").touch()

    assert line_of(run(*command, "--data", tmp_path / "file")).startswith(f"the data folder {tmp_path / 'file'}")


@pytest.mark.parametrize("command", [["doctor"], ["webhook", "create"]])
def test_a_folder_without_a_store_is_no_place_to_look_into(tmp_path: Path, command: list[str]) -> None:
    line = line_of(run(*command, "--data", tmp_path / "none"))

    assert line == f"there is no store in {tmp_path / 'none'}: make one with `packshot init --data {tmp_path / 'none'}`"
    assert not (tmp_path / "none").exists()


def test_a_second_server_on_the_same_folder_is_refused(folder: Path) -> None:
    facts = {"user_id": 1, "webhook_code": "unused"}
    with serving(folder, facts=facts):
        line = line_of(run("serve", "--data", folder, "--port", "0"))

    assert line == f"Another packshot server is using {folder}: stop it first, or give this one its own --data"


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["init"], ["doctor"], ["webhook", "create"]])
def test_a_database_of_a_newer_version_is_left_alone(folder: Path, command: list[str]) -> None:
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'from_the_future', 0)")
    connection.close()

    line = line_of(run(*command, "--data", folder))

    assert line.startswith("The database is at schema 99, this version of Packshot knows ")
    assert line.endswith("run the version that wrote it, or a newer one")


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["webhook", "create"]])
def test_a_file_that_is_no_database_is_named(folder: Path, command: list[str]) -> None:
    (folder / DATABASE).write_bytes(b"this is no database, whatever it is called")

    assert "database" in line_of(run(*command, "--data", folder))


@pytest.mark.parametrize("key", [None, b"", b"cut off", urlsafe_b64encode(bytes(32))])
def test_a_store_whose_key_file_is_lost_damaged_or_another_is_not_opened(folder: Path, key: bytes | None) -> None:
    (folder / "secret.key").unlink()
    if key is not None:
        (folder / "secret.key").write_bytes(key)

    assert "secret.key" in line_of(run("serve", "--data", folder, "--port", "0"))


def test_a_store_with_a_file_in_the_place_of_a_folder_is_not_opened(folder: Path) -> None:
    (folder / "blobs").touch()

    assert str(folder / "blobs") in line_of(run("serve", "--data", folder, "--port", "0"))


# The address


def test_a_busy_port_is_named_and_nothing_is_made(tmp_path: Path, busy_port: int) -> None:
    line = line_of(run("serve", "--data", tmp_path / "data", "--port", str(busy_port)))

    assert line == f"cannot listen on 127.0.0.1:{busy_port}: Address already in use. Another --port may be free"
    assert not (tmp_path / "data" / DATABASE).exists()


def test_an_address_of_another_machine_is_refused_without_talk_of_ports(tmp_path: Path) -> None:
    line = line_of(run("serve", "--data", tmp_path / "data", "--host", "192.0.2.1", "--port", "0"))

    assert line == "cannot listen on 192.0.2.1:0: Cannot assign requested address"


# Settings


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("PACKSHOT_UPKEEP_EVERY_S", "often", ["upkeep.every_s", "PACKSHOT_UPKEEP_EVERY_S", "int"]),
        ("PACKSHOT_LOG_LEVEL", "loud", ["log.level", "PACKSHOT_LOG_LEVEL", "loud"]),
        ("PACKSHOT_LOG_REQUESTS", "perhaps", ["log.requests", "bool"]),
        ("PACKSHOT_SERVER_TIMEZONE", "Mars/Olympus", ["server.timezone", "Mars/Olympus", "Europe/Berlin"]),
        ("PACKSHOT_SERVER_PUBLIC_URL", "pictures.example", ["server.public_url", "https://"]),
        ("PACKSHOT_DELIVERY_BASE_URL", "https://img.example?a=b", ["delivery.base_url", "https://"]),
        ("PACKSHOT_DELIVERY_BASE_URL", f"https://{'a' * 254}", ["delivery.base_url", "https://"]),
        ("PACKSHOT_UPKEEP_GRACE_S", "60", ["upkeep.grace_s", "3600"]),
        ("PACKSHOT_REQUESTS_MIN_RATE_BYTES_S", "0", ["requests.min_rate_bytes_s", "1"]),
        ("PACKSHOT_WORKERS_COUNT", "100000", ["workers.count", "256"]),
        ("PACKSHOT_WORKERS_JOB_S", "nan", ["workers.job_s", "> 0"]),
        ("PACKSHOT_WORKERS_JOBS", "0", ["workers.jobs", "1"]),
        ("PACKSHOT_WORKERS_MEMORY_BYTES", "1000000", ["workers.memory_bytes", "1073741824"]),
        ("PACKSHOT_BITRIX_ERROR_CODES", "numbers", ["bitrix.error_codes", "numbers"]),
    ],
)
def test_a_wrong_value_in_the_environment_is_named(tmp_path: Path, variable: str, value: str, parts: list[str]) -> None:
    done = run("serve", "--data", tmp_path / "data", "--port", "0", environment={variable: value})

    line = line_of(done)
    assert [part for part in parts if part not in line] == []
    assert not (tmp_path / "data").exists()


def test_a_wrong_choice_is_answered_with_the_choices(tmp_path: Path) -> None:
    done = run("doctor", "--data", tmp_path, environment={"PACKSHOT_LOG_LEVEL": "loud"})

    assert all(choice in line_of(done) for choice in ("debug", "info", "warning", "error"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[upkeep]\nevery_s = "often"', ["upkeep.every_s", "int"]),
        ("[upkeep]\nevery = 60", ["upkeep.every", "not a setting", "every_s", "grace_s"]),
        ("[upkep]\nevery_s = 60", ["[upkep]", "unknown section", "upkeep"]),
        ("every_s = 60", ["every_s", "unknown"]),
        ("[upkeep\n", ["no TOML", "line 1"]),
    ],
)
def test_a_wrong_line_in_the_settings_file_is_named(tmp_path: Path, text: str, parts: list[str]) -> None:
    file = tmp_path / "packshot.toml"
    file.write_text(text)

    line = line_of(run("serve", "--data", tmp_path / "data", "--port", "0", "--config", file))

    assert [part for part in parts if part not in line] == []
    assert not (tmp_path / "data").exists()


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    line = line_of(run("doctor", "--data", tmp_path, "--config", tmp_path / "none.toml"))

    assert str(tmp_path / "none.toml") in line


# Webhooks


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--scopes", "catalog,crm"], "unknown scope crm: there are catalog, user, user_basic, user_brief"),
        (["--user", "99"], "there is no user 99: `packshot user list` shows what there is"),
        (["--account", "nobody"], "there is no account nobody: `packshot account list` shows what there is"),
    ],
)
def test_a_webhook_for_what_is_not_there_is_refused(folder: Path, options: list[str], line: str) -> None:
    assert line_of(run("webhook", "create", "--data", folder, *options)) == line
