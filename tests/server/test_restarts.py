"""Servers that take turns on one socket of their parent, as systemd starts them: no request fails (F3)."""

import hashlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx
import pytest

from packshot.storage.folder import DATABASE
from pictures import png
from serving import START_S, handed_over, new_store

THREADS = 8
BUSY_S = 0.5
"""How long a server works before the next one takes its turn."""
TIMEOUT_S = 60

SERVE = ["-m", "packshot", "serve"]
NEWER = ["-c", """
import sys
from packshot.storage import migrations
known = migrations.steps()
number = known[-1][0] + 1
sql = "ALTER TABLE image ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;\\nUPDATE image SET moved = 1 WHERE id % 2 = 0;"
migrations.steps = lambda: [*known, (number, f"{number:04}_newer", sql)]
from packshot.cli import main
sys.argv = ["packshot", "serve", *sys.argv[1:]]
main()
"""]  # fmt: skip
"""The next version of Packshot: it has one more step."""


@dataclass
class Place:
    """A store, the socket that outlives its servers, and what those have printed."""

    folder: Path
    facts: dict[str, Any]
    listener: socket.socket
    output: Path
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def rest(self) -> str:
        return f"/rest/{self.facts['user_id']}/{self.facts['webhook_code']}/"

    def start(self, command: list[str] = SERVE, variables: str = "") -> "subprocess.Popen[bytes]":
        descriptor = self.listener.fileno()
        words = [*handed_over(descriptor, variables), *command]
        with self.output.open("a") as file:
            process = subprocess.Popen(
                [*words, "--data", str(self.folder), "--port", "0"],
                pass_fds=[descriptor], stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, "PACKSHOT_LOG_REQUESTS": "false", "PACKSHOT_INTAKE_VERIFY": "full"},
            )  # fmt: skip
        self.started.append(process)
        return process

    def wait(self) -> None:
        """Until the next answer comes."""
        assert httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=START_S).status_code == 200, self.printed()

    def printed(self) -> str:
        return self.output.read_text("utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        made = Place(folder, new_store(folder), listener, tmp_path / "output")
        yield made
        for process in made.started:
            process.kill()
            process.wait()


class Caller(Protocol):
    """A client that keeps its connection and tries nothing twice."""

    def __call__(self, verb: str, path: str, headers: dict[str, str], body: Any) -> Any:
        """The content of an answer with status 200."""


def pooled(client: httpx.Client) -> Caller:
    """As most libraries do it: whether the server has closed the connection is looked at before it is used again."""

    def call(verb: str, path: str, headers: dict[str, str], body: Any) -> Any:
        answer = client.request(verb, path, headers=headers, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


def plain(connection: http.client.HTTPConnection) -> Caller:
    """As the barest ones do it: only an answer can say that the connection ends."""

    def call(verb: str, path: str, headers: dict[str, str], body: Any) -> Any:
        connection.request(verb, path, json.dumps(body), {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return json.loads(content)

    return call


@dataclass
class Load:
    """Somebody who adds, gets and deletes, one after the other, through one of the two protocols."""

    place: Place
    number: int
    stop: threading.Event
    product_id: int
    there: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    addresses: dict[str, str] = field(default_factory=dict)

    def work(self) -> None:
        chance, seconds = Random(self.number), itertools.count()
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{self.place.port}", timeout=TIMEOUT_S) as client,
            closing(http.client.HTTPConnection("127.0.0.1", self.place.port, timeout=TIMEOUT_S)) as connection,
        ):
            # Who looks at the connection first may think for a while.
            self.caller = pooled(client) if self.number % 4 else plain(connection)
            while not self.stop.is_set() and not self.failures:
                begun = time.monotonic()
                try:
                    self.step(chance, next(seconds))
                except Exception as error:  # noqa: BLE001 - whatever fails is counted
                    self.failures.append(f"{type(error).__name__}: {error}")
                self.waits.append(time.monotonic() - begun)
                if self.number % 4:
                    self.stop.wait(chance.choice([0, 0, 0, 0.01, 0.01, 0.1, 0.9, 1.1]))

    def step(self, chance: Random, count: int) -> None:
        key = {"Idempotency-Key": f"{self.number}-{count}"} if chance.random() < 0.5 else {}
        what = chance.choice(["add", "get", "delete"]) if len(self.there) > 3 else "add"
        name = chance.choice(sorted(self.there)) if what != "add" else ""
        if self.number % 2:
            getattr(self, f"{what}_bitrix")(name, key, count)
        else:
            getattr(self, f"{what}_finerworks")(name, key, count)
        self.done[what + (" with a key" if key and what != "get" else "")] += 1

    def bitrix(self, method: str, params: dict[str, Any], key: dict[str, str]) -> Any:
        return self.caller("POST", f"{self.place.rest}catalog.productImage.{method}", key, params)["result"]

    def add_bitrix(self, _: str, key: dict[str, str], count: int) -> None:
        data = png(1 + count % 200, 1 + self.number * 9 + count // 200)
        content = [f"{count}.png", b64encode(data).decode()]
        fields = {"productId": self.product_id, "type": "MORE_PHOTO"}
        image = self.bitrix("add", {"fields": fields, "fileContent": content}, key)["productImage"]
        self.there[str(image["id"])] = hashlib.sha256(data).hexdigest()
        self.addresses[str(image["id"])] = image["detailUrl"]

    def get_bitrix(self, name: str, _: dict[str, str], __: int) -> None:
        image = self.bitrix("get", {"id": int(name), "productId": self.product_id}, {})
        assert str(image["productImage"]["id"]) == name

    def delete_bitrix(self, name: str, key: dict[str, str], _: int) -> None:
        self.bitrix("delete", {"id": int(name), "productId": self.product_id}, key)
        self.forget(name)

    def finerworks(self, verb: str, method: str, params: dict[str, Any], key: dict[str, str]) -> Any:
        keys = {name: str(self.place.facts[name]) for name in ("web_api_key", "app_key")}
        return self.caller(verb, f"/v3/{method}", {**keys, **key}, params)

    def add_finerworks(self, _: str, key: dict[str, str], count: int) -> None:
        image = {"file_name": f"{count}.jpg", "private_hires_uri": f"https://img.example/{self.number}/{count}.jpg"}
        guid = self.finerworks("POST", "add_images", {"images": [image]}, key)["images"][0]["guid"]
        self.there[guid] = image["private_hires_uri"]

    def get_finerworks(self, name: str, _: dict[str, str], __: int) -> None:
        assert self.finerworks("POST", "list_images", {"guid_filter": [name]}, {})["count"] == 1

    def delete_finerworks(self, name: str, key: dict[str, str], _: int) -> None:
        self.finerworks("DELETE", "delete_images", {"guids": [name]}, key)
        self.forget(name)

    def forget(self, name: str) -> None:
        del self.there[name]
        self.gone.add(name)


@contextmanager
def loaded(place: Place) -> Iterator[list[Load]]:
    stop = threading.Event()
    address = f"http://127.0.0.1:{place.port}{place.rest}catalog.product.add"
    made = httpx.post(address, json={"fields": {"iblockId": 1, "name": "Shirt"}}).json()["result"]["element"]["id"]
    loads = [Load(place, number, stop, int(made)) for number in range(THREADS)]
    threads = [threading.Thread(target=load.work) for load in loads]
    for thread in threads:
        thread.start()
    try:
        yield loads
    finally:
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT_S)


def wrong(place: Place, loads: list[Load]) -> list[str]:
    """What was acknowledged and is not so."""
    with closing(sqlite3.connect(place.folder / DATABASE)) as database:
        rows = database.execute("SELECT id, guid, coalesce(hires_uri, '') FROM image").fetchall()
    ids, addresses = {str(row[0]) for row in rows}, {row[1]: row[2] for row in rows}
    found = []
    with httpx.Client(base_url=f"http://127.0.0.1:{place.port}") as client:
        for load in loads:
            found += [f"{name} is back" for name in load.gone if name in ids or name in addresses]
            for name, told in load.there.items():
                kept = addresses.get(name, "")
                if name in load.addresses:
                    kept = hashlib.sha256(client.get(load.addresses[name]).content).hexdigest()
                found += [] if kept == told else [f"{name} is {kept or 'lost'}"]
    return found


def report(capsys: pytest.CaptureFixture[str], loads: list[Load], turns: list[tuple[float, float]]) -> None:
    waits = sorted(wait for load in loads for wait in load.waits)
    done = sum((load.done for load in loads), Counter[str]())
    failed = sum(len(load.failures) for load in loads)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(turns)} restarts, {len(waits)} requests, {failed} failed ({dict(sorted(done.items()))});"
            f" p50 {waits[len(waits) // 2] * 1000:.0f} ms, p99 {waits[len(waits) * 99 // 100] * 1000:.0f} ms,"
            f" longest {waits[-1]:.2f} s; stopped after {max(stop for stop, _ in turns):.2f} s at most, and answered"
            f" {max(start for _, start in turns):.2f} s after a start\n"
        )


def take_turns(place: Place, restarts: int, commands: dict[int, list[str]] | None = None) -> list[tuple[float, float]]:
    """Stop a server and start the next, so many times; how long the one took to end and the other to answer."""
    turns = []
    command = SERVE
    for number in range(restarts):
        time.sleep(BUSY_S)
        command = (commands or {}).get(number, command)
        begun = time.monotonic()
        place.started[-1].send_signal(signal.SIGTERM)
        assert place.started[-1].wait(15) == 0, place.printed()
        stopped = time.monotonic()
        place.start(command)
        place.wait()
        turns.append((stopped - begun, time.monotonic() - stopped))
    time.sleep(BUSY_S)
    return turns


@pytest.fixture
def running(place: Place) -> Place:
    """A place with its first server."""
    place.start()
    place.wait()
    return place


@pytest.mark.parametrize("restarts", [3, pytest.param(20, marks=pytest.mark.long)])
def test_restarts_under_load_fail_no_request(running: Place, restarts: int, capsys: pytest.CaptureFixture[str]) -> None:
    place = running

    with loaded(place) as loads:
        turns = take_turns(place, restarts)

    report(capsys, loads, turns)
    assert [failure for load in loads for failure in load.failures] == []
    assert wrong(place, loads) == []
    assert sum(len(load.waits) for load in loads) > 10 * restarts
    assert all(load.there for load in loads)
    assert "Traceback" not in place.printed()
    assert "timeout graceful shutdown exceeded" not in place.printed()  # nobody was waited for in vain


def test_an_upgrade_under_load_fails_no_request(running: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place = running

    with loaded(place) as loads:
        turns = take_turns(place, 2, {1: NEWER})

    report(capsys, loads, turns)
    assert [failure for load in loads for failure in load.failures] == []
    assert wrong(place, loads) == []
    assert re.search(
        r"Brought the database from step \d+ to \d+; a copy of it as it was: .*\.before-\d{4}", place.printed()
    )
    with closing(sqlite3.connect(place.folder / DATABASE)) as database:
        assert database.execute("SELECT count(DISTINCT moved) FROM image").fetchall() == [(2,)]
    assert len(list(place.folder.glob(f"{DATABASE}.before-*"))) == 1


# One socket, one folder


def test_the_printed_address_is_that_of_the_socket(running: Place) -> None:
    assert f" on http://127.0.0.1:{running.port}, data in " in running.printed()


def test_requests_wait_while_nobody_serves(running: Place) -> None:
    running.started[0].terminate()
    assert running.started[0].wait(15) == 0

    with socket.create_connection(("127.0.0.1", running.port), timeout=START_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        running.start()

        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_a_second_server_on_the_folder_takes_no_request_from_the_first(running: Place) -> None:
    second = running.start()

    while second.poll() is None:
        assert httpx.get(f"http://127.0.0.1:{running.port}/readyz").status_code == 200

    assert second.returncode == 2
    assert f"Another packshot server is using {running.folder}" in running.printed()
    assert running.started[0].poll() is None


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("LISTEN_FDS=2", "packshot: LISTEN_FDS is 2: packshot serves on one socket\n"),
        ("LISTEN_FDS=", "packshot: LISTEN_FDS is : packshot serves on one socket\n"),
    ],
)
def test_more_than_one_socket_is_refused(place: Place, variables: str, said: str) -> None:
    assert place.start(variables=variables).wait(START_S) == 2
    assert place.printed() == said


def test_a_socket_that_does_not_listen_is_refused(place: Place) -> None:
    with socket.socket() as silent:
        place.listener, kept = silent, place.listener
        code = place.start().wait(START_S)
        place.listener = kept

    assert code == 2
    assert "the socket at descriptor 3 does not listen for TCP" in place.printed()


def test_a_descriptor_that_is_no_socket_is_refused(place: Place) -> None:
    with (place.folder / DATABASE).open() as file:
        words = [*handed_over(file.fileno(), "LISTEN_FDS=1"), *SERVE]
        done = subprocess.run(
            [*words, "--data", place.folder], pass_fds=[file.fileno()], capture_output=True, text=True, check=False
        )

    assert done.returncode == 2
    assert done.stderr == "packshot: LISTEN_FDS is 1, but descriptor 3 is no socket: Socket operation on non-socket\n"


def test_a_socket_that_is_meant_for_another_process_is_left_alone(place: Place) -> None:
    place.start(variables="LISTEN_PID=1")
    end = time.monotonic() + START_S
    while " on http://" not in place.printed():
        assert time.monotonic() < end
        time.sleep(0.02)

    assert f":{place.port}," not in place.printed()


def test_children_of_the_server_hear_nothing_of_the_socket(running: Place) -> None:
    server, children = Path(f"/proc/{running.started[0].pid}"), ""
    end = time.monotonic() + START_S
    while not children and time.monotonic() < end:
        children = "".join(one.read_text() for one in server.glob("task/*/children"))
        time.sleep(0.05)

    assert children
    held = (server / "fd" / "3").stat().st_ino
    for child in (Path(f"/proc/{number}") for number in children.split()):
        assert b"LISTEN_" not in (child / "environ").read_bytes()
        assert held not in {one.stat().st_ino for one in (child / "fd").iterdir() if one.exists()}
