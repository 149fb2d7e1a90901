"""Events of a real server: sent from the first moment, and not lost by a kill."""

import asyncio
import json
import re
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

from forking import run
from receiver import eventually, receiving, told
from serving import new_store, serving, serving_with

ALLOWED = {"PACKSHOT_OUTBOUND_ALLOW_PRIVATE": "true"}
NAMES = ("--event", "CATALOG.PRODUCT.ON.ADD")
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to.md"


def hook(folder: Path, url: str) -> dict[str, str]:
    done = run("event", "hook", "add", url, *NAMES, "--data", folder, environment=ALLOWED)
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"(.+): (.+)", done.stdout))


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as response:
        return str(response.read(), "utf-8")


def add_product(webhook_url: str) -> None:
    body = json.dumps({"fields": {"iblockId": 1, "name": "Shirt"}}).encode()
    request = urllib.request.Request(f"{webhook_url}catalog.product.add", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.status == 200


async def test_a_committed_change_is_told_after_a_kill_and_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    # The loop that sends never comes to it: the server dies between the commit and the delivery.
    idle = "from packshot.services import deliveries\nasync def never(*_): pass\ndeliveries.Deliveries._attempt = never"
    async with receiving() as receiver:
        with serving_with(folder, "", ALLOWED, before=idle) as server:
            await asyncio.to_thread(hook, folder, receiver.url)
            await asyncio.to_thread(add_product, server.webhook_url)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(15)
            facts = server.facts
        before = list(receiver.letters)

        with serving(folder, environment=ALLOWED, facts=facts) as again:
            await told(receiver)
            endpoint = receiver.letters[0].form["auth[client_endpoint]"]

    assert before == []
    assert endpoint == f"{again.base_url}/rest/"


async def test_a_kill_before_the_answer_is_noted_sends_the_same_event_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    facts = new_store(folder)
    async with receiving() as receiver:
        receiver.answer = lambda _: None
        with serving(folder, environment=ALLOWED, facts=facts) as server:
            await asyncio.to_thread(hook, folder, receiver.url)
            await asyncio.to_thread(add_product, server.webhook_url)
            await told(receiver)
            server.process.kill()
            server.process.wait(15)
        receiver.answer = lambda _: 200

        with serving(folder, environment=ALLOWED, facts=facts):
            await told(receiver, 2)

    first, second = receiver.letters
    assert first.event_id == second.event_id
    assert first.form["data[FIELDS][ID]"] == second.form["data[FIELDS][ID]"]


async def test_a_receiver_that_does_not_answer_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    facts = new_store(folder)
    async with receiving() as receiver:
        receiver.answer = lambda _: None
        with serving(folder, environment=ALLOWED, facts=facts) as server:
            await asyncio.to_thread(hook, folder, receiver.url)
            await asyncio.to_thread(add_product, server.webhook_url)
            await told(receiver)
            server.process.terminate()
            started = time.monotonic()
            code = await asyncio.to_thread(server.process.wait, 15)
            took_s, printed = time.monotonic() - started, server.printed()

    assert (code, "Traceback" in printed) == (0, False)
    assert took_s < 10


async def test_what_waits_is_shown_with_its_last_error_and_sent_at_once_on_demand(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    facts = new_store(folder)
    async with receiving() as receiver:
        receiver.answer = lambda _: 503
        with serving(folder, environment=ALLOWED, facts=facts) as server:
            await asyncio.to_thread(hook, folder, receiver.url)
            await asyncio.to_thread(add_product, server.webhook_url)
            await told(receiver)
            shown = ""
            while "503" not in shown:
                shown = (await asyncio.to_thread(run, "event", "pending", "--data", folder)).stdout
            receiver.answer = lambda _: 200

            (number,) = re.findall(
                r"^(\d+) CATALOG\.PRODUCT\.ON\.ADD product 1 to .* The receiver answered 503$", shown, re.MULTILINE
            )
            await asyncio.to_thread(run, "event", "retry", number, "--data", folder)

            async def nothing_waits() -> bool:
                done = await asyncio.to_thread(run, "event", "pending", "--data", folder)
                return (done.returncode, done.stdout) == (0, "")

            await eventually(nothing_waits)
            metrics = await asyncio.to_thread(read, f"{server.base_url}/metrics")

    # Twice where the machine is so slow that the retry of its own came before that on demand.
    assert re.search(r"packshot_events_delivered [12]\.0", metrics)


def verifier() -> Any:
    """The function of the receiver that the how-to shows."""
    text = HOW_TO.read_text("utf-8")
    (source,) = re.findall(r"(?s)```python\n(import hashlib\n.*?)```", text)
    place: dict[str, Any] = {}
    exec(compile(source, "how-to", "exec"), place)
    return place["is_genuine"]


async def test_the_receiver_of_the_how_to_tells_genuine_events_from_forged_and_replayed_ones(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    facts = new_store(folder)
    is_genuine = verifier()
    async with receiving() as receiver:
        with serving(folder, environment=ALLOWED, facts=facts) as server:
            secrets = await asyncio.to_thread(hook, folder, receiver.url)
            await asyncio.to_thread(add_product, server.webhook_url)
            await told(receiver)
    (letter,) = receiver.letters
    secret, headers = secrets["HMAC secret"], letter.headers

    now = time.time()
    assert is_genuine(secret, headers, letter.body, now)
    assert not is_genuine(secret, headers, letter.body + b"&x=1", now)
    assert not is_genuine("other", headers, letter.body, now)
    assert not is_genuine(secret, headers, letter.body, now + 360)
    assert not is_genuine(secret, {}, letter.body, now)
    assert not is_genuine(secret, {**headers, "x-packshot-event-id": "9"}, letter.body, now)
    assert letter.form["auth[application_token]"] == secrets["application_token"]
