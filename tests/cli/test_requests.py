"""`packshot requests`: the last calls of a real server, while it runs and after it ended."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from forking import run
from serving import PACKSHOT, Server, new_store, serving


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[Server]:
    """A server that has had six calls; two failed, and one got no answer."""
    faults = {"PACKSHOT_FAULTS_RULES": "drop after commit on catalog.product.delete"}
    with serving(store, "--record", environment=faults) as running:
        httpx.get(f"{running.webhook_url}methods")
        httpx.post(f"{running.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}})
        httpx.post(f"{running.webhook_url}catalog.product.get", json={"id": 99})
        httpx.post(f"{running.webhook_url}catalog.catalog.list")
        httpx.post(f"{running.webhook_url}batch", json={"cmd": {"one": "catalog.product.get?id=98"}})
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{running.webhook_url}catalog.product.delete", json={"id": 1})
        httpx.get(f"{running.base_url}/readyz")
        yield running


def names(store: Path, *options: str) -> list[str]:
    done = run("requests", "--data", store, "--json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["name"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            [],
            ["methods", "catalog.product.add", "catalog.product.get", "catalog.catalog.list", "batch",
             "catalog.product.delete"],
        ),
        (["-n", "2"], ["batch", "catalog.product.delete"]),
        (["--failed"], ["catalog.product.get", "batch", "catalog.product.delete"]),
        (["--failed", "-n", "1"], ["catalog.product.delete"]),
        (["--method", "catalog.*.list"], ["catalog.catalog.list"]),
        (["--method", "Catalog.Product.Get"], ["catalog.product.get"]),
        (["--method", "catalog.product.get", "--failed", "-n", "5"], ["catalog.product.get"]),
    ],
)  # fmt: skip
def test_the_last_calls_that_fit_come_oldest_first(
    server: Server, store: Path, options: list[str], found: list[str]
) -> None:
    del server

    assert names(store, *options) == found


def test_a_person_reads_request_and_answer(server: Server, store: Path) -> None:
    shown = run("requests", "--data", store, "--method", "catalog.product.add").stdout

    lines = shown.splitlines()
    assert lines[0].split("  ")[1:3] == ["catalog.product.add", "200"]
    assert lines[1] == "> POST /rest/1/***/catalog.product.add HTTP/1.1"
    assert '> {"fields":{"iblockId":1,"name":"Shirt"}}' in lines
    assert "> content-type: application/json" in lines
    assert "< 200" in lines
    assert '<       "name": "Shirt",' in lines
    assert server.facts["webhook_code"] not in shown
    assert "\033" not in shown


def test_an_error_stands_in_the_first_line(server: Server, store: Path) -> None:
    del server

    first = run("requests", "--data", store, "--method", "catalog.product.get").stdout.splitlines()[0]

    assert "  catalog.product.get  400  error 0  " in first


def test_where_the_client_got_no_answer_that_is_said(server: Server, store: Path) -> None:
    del server

    lines = run("requests", "--data", store, "-n", "1").stdout.splitlines()

    assert "  catalog.product.delete  no answer  " in lines[0]
    assert [line for line in lines if line.startswith("<")] == ["< no answer"]


def test_a_long_body_is_cut_for_people_only(server: Server, store: Path) -> None:
    del server

    cut = run("requests", "--data", store, "--method", "methods").stdout
    whole = run("requests", "--data", store, "--method", "methods", "--json").stdout

    assert " more lines: --json shows them\n" in cut
    assert len(cut.splitlines()) < 90
    assert "catalog.productImage.list" in whole


def test_nothing_that_fits_is_said_beside_the_output(server: Server, store: Path) -> None:
    del server

    done = run("requests", "--data", store, "--method", "none")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No call that is kept fits.\n")


def test_without_a_recording_it_says_how_to_switch_it_on(tmp_path: Path) -> None:
    new_store(tmp_path / "my data")

    done = run("requests", "--data", tmp_path / "my data")

    assert done.returncode == 2
    assert f"packshot serve --record --data '{tmp_path / 'my data'}'" in done.stderr
    assert "emulator.record = 200" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_was_not_asked_to_keeps_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        httpx.get(f"{server.webhook_url}methods")

    assert not (tmp_path / "data" / "calls.jsonl").exists()


def test_calls_can_be_read_after_the_server_ended_and_the_setting_does_as_well(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environment={"PACKSHOT_EMULATOR_RECORD": "2"}) as server:
        for method in ("catalog.catalog.list", "methods"):
            httpx.get(f"{server.webhook_url}{method}")

    assert names(tmp_path / "data") == ["catalog.catalog.list", "methods"]


def test_following_shows_calls_as_they_come_until_it_is_interrupted(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--record") as server:
        command = [*PACKSHOT, "requests", "--data", str(tmp_path / "data"), "--follow", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
            assert following.stdout
            assert following.stderr
            seen = []
            for method in ("catalog.catalog.list", "methods"):
                httpx.get(f"{server.webhook_url}{method}")
                seen.append(json.loads(following.stdout.readline())["name"])
            following.send_signal(signal.SIGINT)
            code, rest = following.wait(20), following.stderr.read()

    assert seen == ["catalog.catalog.list", "methods"]
    assert (code, rest) == (0, "")
