"""Several servers over one PostgreSQL and one bucket: whoever is asked, it is one store, and each job is done once."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet

import bucket
import postgres
from build import file_content
from forking import run
from pictures import png
from receiver import receiving, told
from serving import PACKSHOT, Server, serving

QUICK = {"PACKSHOT_UPKEEP_EVERY_S": "1"}
PRIVATE = {"PACKSHOT_OUTBOUND_ALLOW_PRIVATE": "true"}


class Store:
    """A PostgreSQL database and a bucket with a store in it, and what servers of it need to know."""

    def __init__(self, place: Path, server: postgres.Server) -> None:
        self.place, self.server = place, server
        self.url = server.make()
        self.environment = {
            "PACKSHOT_DATABASE_URL": self.url,
            "PACKSHOT_BLOBS_URL": bucket.new(),
            "PACKSHOT_KEYS_FILE": str(place / "keys" / "store.key"),
        }

    def make(self) -> dict[str, Any]:
        """Fill it, and return what `init --json` prints."""
        done = run("init", "--json", "--data", self.place / "by hand", environment=self.environment)
        assert done.returncode == 0, done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    def ask(self, sql: str) -> str:
        """What psql prints."""
        return self.server.run(urlsplit(self.url).path[1:], sql)

    def run(self, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return run(*words, "--data", self.place / "by hand", environment=self.environment | more)

    @contextmanager
    def serving(self, facts: dict[str, Any], *names: str, **more: str) -> Iterator[list[Server]]:
        """A node of each of these names."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(serving(self.place / name, facts=facts, environment=self.environment | more))
                for name in names
            ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, postgres.shared())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[Server]]]:
    """A store with three nodes, for tests that leave them as they are."""
    store = Store(tmp_path_factory.mktemp("shared"), postgres.shared())
    with store.serving(store.make(), "one", "two", "three", **QUICK, **PRIVATE) as nodes:
        yield store, nodes


def call(server: Server, method: str, **params: Any) -> Any:
    answer = httpx.post(f"{server.webhook_url}{method}", json=params, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def add_image(server: Server) -> Any:
    product_id = call(server, "catalog.product.add", fields={"iblockId": 1, "name": "Shirt"})["element"]["id"]
    fields = {"productId": product_id}
    return call(server, "catalog.productImage.add", fields=fields, fileContent=file_content(png()))["productImage"]


def get(server: Server, address: str) -> httpx.Response:
    return httpx.get(f"{server.base_url}{urlsplit(address).path}", timeout=30)


def metric(server: Server, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{server.base_url}/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def test_what_one_node_does_all_others_show_at_once(shared: tuple[Store, list[Server]]) -> None:
    one, two, three = shared[1]
    image = add_image(one)
    shown = [get(server, image["detailUrl"]).content for server in (two, three)]
    listed = call(two, "catalog.productImage.list", productId=image["productId"])["productImages"]
    call(three, "catalog.productImage.delete", productId=image["productId"], id=image["id"])
    gone = [get(server, image["detailUrl"]).status_code for server in (one, two)]

    assert shown == [png(), png()]
    assert [one["id"] for one in listed] == [image["id"]]
    assert gone == [404, 404]


def test_a_revoked_webhook_is_dead_on_all_nodes_within_a_second(store: Store) -> None:
    with store.serving(store.make(), "one", "two") as nodes:
        for node in nodes:
            call(node, "catalog.catalog.list")
        done = store.run("webhook", "revoke", "1")
        time.sleep(1.1)
        answers = [httpx.post(f"{node.webhook_url}catalog.catalog.list").status_code for node in nodes]

    assert done.returncode == 0, done.stderr
    assert answers == [401, 401]


def test_decision_9_calls_and_running_times_count_over_all_nodes(store: Store) -> None:
    limits = {
        "PACKSHOT_LIMITS_PROFILE": "standard",
        "PACKSHOT_LIMITS_BURST": "5",
        "PACKSHOT_LIMITS_CALLS_PER_S": "0.01",
    }
    with store.serving(store.make(), "one", "two", **limits) as nodes:
        answers = [httpx.post(f"{nodes[number % 2].webhook_url}catalog.catalog.list") for number in range(8)]

    times = [answer.json()["time"]["operating"] for answer in answers[:5]]
    assert [answer.status_code for answer in answers] == [200] * 5 + [503] * 3
    assert answers[5].json()["error"] == "QUERY_LIMIT_EXCEEDED"
    assert 90 <= int(answers[5].headers["retry-after"]) <= 100
    assert times == sorted(times)
    assert len(set(times)) == 5  # each has what the one before came to, which another node had done
    assert (
        store.ask("SELECT relpersistence FROM pg_class WHERE relname IN ('calls_counted', 'time_operated')") == "u\nu"
    )


def test_a_round_of_upkeep_is_done_once_for_all_nodes(shared: tuple[Store, list[Server]]) -> None:
    store, nodes = shared

    def rounds() -> float:
        return sum(metric(node, "packshot_upkeep_rounds") for node in nodes)

    until(lambda: rounds() >= 1)
    began, before = time.monotonic(), rounds()
    time.sleep(3)
    done, passed_s = rounds() - before, time.monotonic() - began
    begun, known = int(store.ask("SELECT times FROM job WHERE name = 'upkeep'")), rounds()

    assert 1 <= done <= passed_s + 1  # of three that each did their own it would be three times as many
    assert known - 1 <= begun <= known + 1


def add_product(server: Server) -> int:
    return int(call(server, "catalog.product.add", fields={"iblockId": 1, "name": "Shirt"})["element"]["id"])


def listen(store: Store, url: str) -> None:
    names = ("CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE")
    done = store.run("event", "hook", "add", url, *(word for name in names for word in ("--event", name)), **PRIVATE)
    assert done.returncode == 0, done.stderr


async def test_events_are_sent_once_and_in_the_order_of_their_product_though_three_nodes_look(
    shared: tuple[Store, list[Server]],
) -> None:
    store, nodes = shared

    def change() -> None:
        ids = [add_product(nodes[0]) for _ in range(3)]
        for number in range(5):
            for at, product_id in enumerate(ids):
                call(nodes[(at + number) % 3], "catalog.product.update", id=product_id, fields={"name": f"{number}"})

    async with receiving() as receiver:
        await asyncio.to_thread(listen, store, receiver.url)
        await asyncio.to_thread(change)
        await told(receiver, 18)
        await asyncio.sleep(1.5)  # another node would look again by now

    by_product: dict[str, list[int]] = {}
    for letter in receiver.letters:
        by_product.setdefault(letter.form["data[FIELDS][ID]"], []).append(letter.event_id)
    assert len(receiver.letters) == 18
    assert all(ids == sorted(set(ids)) for ids in by_product.values())


async def test_what_a_killed_node_was_sending_another_one_sends_after_a_while(store: Store) -> None:
    async with receiving() as receiver:
        receiver.answer = lambda _: None
        facts = store.make()
        with store.serving(facts, "one", **PRIVATE) as (one,):
            await asyncio.to_thread(listen, store, receiver.url)
            await asyncio.to_thread(add_product, one)
            await told(receiver)
            one.process.send_signal(signal.SIGKILL)
        claimed = store.ask("SELECT claimed_by LIKE '%-%', claimed_until > extract(epoch FROM now()) * 1e6 FROM outbox")
        receiver.answer = lambda _: 200
        with store.serving(facts, "two", **PRIVATE):
            await asyncio.sleep(1.5)
            before = len(receiver.letters)
            store.ask("UPDATE outbox SET claimed_until = claimed_until - 30000000")  # as if it were half a minute later
            await told(receiver, 2)

    assert claimed == "t|t"
    assert before == 1
    assert [letter.event_id for letter in receiver.letters] == [1, 1]


def refused(store: Store, name: str = "refused", **more: str) -> str:
    """What `packshot serve` says that does not start."""
    command = [*PACKSHOT, "serve", "--data", str(store.place / name), "--port", "0"]
    environment = {**os.environ, **store.environment, **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_a_node_without_the_key_makes_none_and_one_with_another_key_is_refused(store: Store) -> None:
    facts = store.make()
    wrong = store.place / "wrong.key"
    wrong.write_bytes(Fernet.generate_key())

    without = refused(store, PACKSHOT_KEYS_FILE=str(store.place / "none.key"))
    other = refused(store, PACKSHOT_KEYS_FILE=str(wrong))

    assert f"{store.place / 'none.key'} is missing, damaged or of another store" in without
    assert f"{wrong} is missing, damaged or of another store" in other
    assert not (store.place / "none.key").exists()
    assert wrong.exists()
    with store.serving(facts, "one") as (one,):
        assert call(one, "catalog.catalog.list")


def test_settings_have_to_agree_until_all_nodes_have_stopped(store: Store) -> None:
    facts = store.make()
    with store.serving(facts, "one"):
        shows = refused(store, PACKSHOT_ORIGINALS_PRIVACY="strip_all")
        loses = refused(store, PACKSHOT_BLOBS_URL="s3://another/place")
        by_hand = store.run("image", "show", "1", PACKSHOT_ORIGINALS_PRIVACY="strip_all")
    with store.serving(facts, "two", PACKSHOT_ORIGINALS_PRIVACY="strip_all"):
        later = refused(store)

    assert "originals.privacy is 'strip_all' here and 'keep' for the running" in shows
    assert "stop all servers of this store" in shows
    assert f"blobs.url is 's3://another/place' here and '{store.environment['PACKSHOT_BLOBS_URL']}'" in loses
    assert by_hand.returncode == 2
    assert "originals.privacy is 'strip_all' here and 'keep' for the servers of this store" in by_hand.stderr
    assert "originals.privacy is 'keep' here and 'strip_all'" in later


def test_originals_in_a_data_folder_are_for_one_node_only(store: Store) -> None:
    store.environment["PACKSHOT_BLOBS_URL"] = ""
    facts = store.make()
    with store.serving(facts, "by hand"):
        told_so = refused(store)

    assert re.search(
        r"blobs.url is 'the data folder .*/refused of .*' here and 'the data folder .*/by hand of", told_so
    )


def test_of_nodes_that_start_at_once_on_an_empty_database_one_makes_the_store_and_prints_its_webhook(
    store: Store,
) -> None:
    with ThreadPoolExecutor(3) as pool, ExitStack() as stack:

        def start(name: str) -> Server:
            facts = {"user_id": 1, "webhook_code": "unknown"}
            return stack.enter_context(serving(store.place / name, facts=facts, environment=store.environment))

        nodes = list(pool.map(start, ("one", "two", "three")))
        found = [re.findall(r"Webhook address \(.*\): http://[^/]+(\S+)", node.printed()) for node in nodes]
        (path,) = [path for paths in found for path in paths]
        answers = [httpx.post(f"{node.base_url}{path}catalog.catalog.list").status_code for node in nodes]

    assert answers == [200, 200, 200]
    assert store.ask("SELECT count(*) FROM account") == "1"
    assert store.ask("SELECT count(*) FROM signing_key") == "1"


def test_a_node_is_not_ready_while_its_database_is_down_and_goes_on_by_itself(tmp_path: Path) -> None:
    server = postgres.start()
    store = Store(tmp_path, server)
    with store.serving(store.make(), "one") as (one,):
        image = add_image(one)
        server.stop()
        until(lambda: httpx.get(f"{one.base_url}/readyz", timeout=30).status_code == 503)
        down = httpx.get(f"{one.base_url}/readyz", timeout=30)
        alive = httpx.get(f"{one.base_url}/healthz")
        server.start()
        until(lambda: httpx.get(f"{one.base_url}/readyz", timeout=30).status_code == 200)
        shown = get(one, image["detailUrl"])

    assert down.json() == {"status": "the database does not answer"}
    assert alive.status_code == 200
    assert shown.content == png()


def test_probes_ask_the_database_once_a_second_however_many_there_are(store: Store) -> None:
    with store.serving(store.make(), "one") as (one,):
        asked = "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = current_database()"
        before, began = int(store.ask(asked)), time.monotonic()
        with ThreadPoolExecutor(4) as pool, httpx.Client() as client:
            codes = list(pool.map(lambda _: client.get(f"{one.base_url}/readyz").status_code, range(400)))
        time.sleep(1.5)  # what they have done is told with a delay
        seconds, done = time.monotonic() - began, int(store.ask(asked)) - before

    assert set(codes) == {200}
    assert done < 100 + 20 * seconds


def test_doctor_names_the_nodes_that_were_seen_and_a_stopped_one_is_gone(store: Store) -> None:
    facts = store.make()
    with store.serving(facts, "one"):
        with store.serving(facts, "two"):
            both = store.run("doctor")
        one = store.run("doctor")
    none = store.run("doctor")

    counts = [len(re.findall(r"-[0-9a-f]{8} \(packshot ", done.stdout)) for done in (both, one, none)]
    assert counts == [2, 1, 0]
    assert "servers seen within a minute: none" in none.stdout
    assert [done.returncode for done in (both, one, none)] == [0, 0, 0], both.stdout
