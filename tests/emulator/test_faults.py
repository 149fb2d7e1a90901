"""Fault rules: what they say, when they are due, and what a door in bad weather does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import Clock
from packshot import app, config
from packshot.config import BadSetting, Settings
from packshot.domain.errors import Conflict, InvalidValue
from packshot.emulator import faults
from packshot.emulator.faults import ABORT, Faults, FaultSettings, Rule, parse
from packshot.services.core import Core
from packshot.services.setup import Seed
from packshot.storage import fault_rules


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("slow 2", Rule("slow 2", "slow", seconds=2)),
        ("slow 0.25 on batch", Rule("slow 0.25 on batch", "slow", seconds=0.25, method="batch")),
        ("503", Rule("503", "fail", status=503)),
        ("503 every 3", Rule("503 every 3", "fail", status=503, every=3)),
        (" 429  EVERY 2 on  X.Y.* ", Rule("429 every 2 on x.y.*", "fail", status=429, every=2, method="x.y.*")),
        ("500 on *", Rule("500 on *", "fail", status=500, method="*")),
        ("drop after commit", Rule("drop after commit", "drop")),
        (
            "Drop after commit every 5 on catalog.productImage.add",
            Rule("drop after commit every 5 on catalog.productimage.add", "drop", every=5,
                 method="catalog.productimage.add"),
        ),
    ],
)  # fmt: skip
def test_a_rule_is_read(text: str, rule: Rule) -> None:
    assert parse(text) == rule
    assert parse(rule.text) == rule


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a rule is `slow SECONDS`, a status like `503` or `drop after commit`"),
        ("slow", "a rule is"),
        ("slow -1", "a rule is"),
        ("slow 1e9", "a rule is"),
        ("slow 3601", "a call waits 3600 seconds at most"),
        ("drop", "a rule is"),
        ("503 every", "a rule is"),
        ("503 every 0", "every 0th call is none"),
        ("503 on", "a rule is"),
        ("503 on a b", "a rule is"),
        ("503 on *.list", "a rule is"),
        ("503 on a every 2", "a rule is"),
        ("200", "the status is 429, or 500 to 599"),
        ("600", "the status is 429, or 500 to 599"),
        ("50³", "a rule is"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse(text)

    assert refused.value.why.startswith(f"{text.lower()!r} is no fault rule: {why}")


@given(st.text(max_size=60) | st.from_regex(r"(slow|503|drop after commit)[ a-z0-9.*]{0,40}", fullmatch=True))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse(text)
    except InvalidValue:
        return
    assert parse(rule.text) == rule
    assert 0 <= rule.seconds <= 3600
    assert rule.every >= 1


def test_a_rule_of_the_settings_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(BadSetting, match=r"^faults\.rules: '503 every 0' is no fault rule: every 0th call is none$"):
        config.load(None, {"PACKSHOT_FAULTS_RULES": "slow 2; 503 every 0"})


@pytest.mark.parametrize(
    ("method", "about"),
    [
        ("", ["catalog.product.list", "batch", ""]),
        ("*", ["catalog.product.list", "batch", ""]),
        ("catalog.product.list", ["catalog.product.list"]),
        ("catalog.product*", ["catalog.product.list", "catalog.productimage.add"]),
    ],
)
def test_a_rule_is_about_the_methods_it_names(method: str, about: list[str]) -> None:
    methods = ["catalog.product.list", "catalog.productimage.add", "batch", ""]
    rule = Rule("", "drop", method=method)

    assert [name for name in methods if rule.is_about(name)] == (methods if method in {"", "*"} else about)


# A door in bad weather


class Door:
    """A door that answers 200, and knows how often it was called and how often it was told to fail."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.sent: list[int] = []

    async def __call__(self, scope: dict[str, Any], _: Any, send: Any) -> None:
        self.called.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def fail(self, _: dict[str, Any], send: Any, status: int) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, weather: Faults, path: str) -> int:
        """The status of the answer; 0 for none."""
        statuses = []
        gone = asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        await weather({"path": path, "state": {ABORT: gone.set}}, receive, send)
        assert gone.is_set() == (not statuses)
        return statuses[0] if statuses else 0


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def ticks() -> Clock:
    return Clock(50.0)


async def test_every_third_call_of_a_method_fails(door: Door, core: Core, ticks: Clock) -> None:
    weather = Faults(door, door.fail, core, ["503 every 3 on a.b"], ticks)

    of_it = [await door.ask(weather, f"/rest/1/code/{name}") for name in ("a.b", "A.B", "a.b.json", "a.b/", "a.b")]
    of_others = [await door.ask(weather, "/rest/1/code/a.c") for _ in range(6)]

    assert of_it == [200, 200, 503, 200, 200]
    assert of_others == [200] * 6
    assert len(door.called) == 4 + 6


async def test_an_upload_under_a_guid_is_named_by_its_route(door: Door, core: Core, ticks: Clock) -> None:
    weather = Faults(door, door.fail, core, ["503 on images"], ticks)

    paths = ["/packshot/V3//Images/2D273599-962a-498c-be07-cec9e80bacf2/", "/packshot/v3/upload", "/v3/images.json"]
    assert [await door.ask(weather, path) for path in paths] == [503, 200, 503]


async def test_a_dropped_call_is_carried_out_and_never_answered(door: Door, core: Core, ticks: Clock) -> None:
    weather = Faults(door, door.fail, core, ["drop after commit every 2"], ticks)

    assert [await door.ask(weather, "/rest/a") for _ in range(4)] == [200, 0, 200, 0]
    assert len(door.called) == 4


async def test_waits_add_up_and_a_status_goes_before_a_drop(door: Door, core: Core, ticks: Clock) -> None:
    loop = asyncio.get_running_loop()
    rules = ["slow 0.05", "slow 0.07 every 2", "drop after commit every 2", "500 every 2"]
    weather = Faults(door, door.fail, core, rules, ticks)

    began = loop.time()
    statuses = [await door.ask(weather, "/rest/a") for _ in range(2)]

    assert statuses == [200, 500]
    assert loop.time() - began >= 0.17 - 0.01  # timers may fire within the clock's resolution before their time
    assert len(door.called) == 1


async def test_rules_added_and_cleared_are_seen_soon_and_counts_go_on(door: Door, core: Core, ticks: Clock) -> None:
    weather = Faults(door, door.fail, core, ["503 every 4"], ticks)

    first = [await door.ask(weather, "/rest/a") for _ in range(2)]
    await faults.add(core, "500 ON a")
    early = await door.ask(weather, "/rest/b")
    ticks.advance(faults.LOOK_S)
    second = [await door.ask(weather, "/rest/b"), await door.ask(weather, "/rest/a")]
    cleared = await faults.clear(core)
    ticks.advance(faults.LOOK_S)
    third = await door.ask(weather, "/rest/a")

    assert [*first, early, *second, third] == [200, 200, 200, 503, 500, 200]
    assert cleared == 1


async def test_without_rules_the_door_is_called_as_it_is(door: Door, core: Core, ticks: Clock) -> None:
    weather = Faults(door, door.fail, core, [], ticks)
    await door.ask(weather, "/rest/a")

    async def unused(*_: Any) -> None:
        raise AssertionError

    answering = weather({"path": "/rest/a"}, unused, unused)

    assert answering.__qualname__ == "Door.__call__"  # type: ignore[attr-defined]
    answering.close()  # type: ignore[attr-defined]


async def test_a_rule_is_kept_once_and_in_order(core: Core) -> None:
    for rule in ("slow 2", "503", "SLOW  2"):
        await faults.add(core, rule)

    assert await faults.listed(core) == ["slow 2", "503"]


async def test_no_more_rules_are_kept_than_the_bound(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_rules, "MOST_RULES", 2)
    await faults.add(core, "slow 1")
    await faults.add(core, "slow 2")

    with pytest.raises(Conflict):
        await faults.add(core, "slow 3")

    assert await faults.listed(core) == ["slow 1", "slow 2"]


@pytest.fixture
async def stormy(core: Core, seed: Seed) -> AsyncIterator[httpx.AsyncClient]:
    """A client behind the seed's webhook of an application whose calls of `methods` fail in many ways."""
    rules = ("503 on catalog.product.*", "429 on catalog.productImage.add", "502 on catalog.catalog.list")
    settings = msgspec.structs.replace(Settings(), faults=FaultSettings(rules))
    asgi: Any = app.build(core, settings, lambda: True)[0]
    base_url = f"http://shop.test/rest/{seed.user_id}/{seed.webhook_code}/"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url=base_url) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "status", "code", "sentence"),
    [
        ("catalog.product.get", 503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
        ("catalog.productImage.add", 429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."),
        ("catalog.catalog.list", 502, "INTERNAL_SERVER_ERROR", "Internal server error"),
    ],
)
async def test_a_failing_call_answers_in_the_protocols_words(
    stormy: httpx.AsyncClient, method: str, status: int, code: str, sentence: str
) -> None:
    answer = await stormy.get(method)

    assert answer.status_code == status
    assert answer.json() == {"error": code, "error_description": sentence}
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-request-id"]


async def test_what_is_no_call_has_no_weather(stormy: httpx.AsyncClient) -> None:
    assert (await stormy.get("catalog.productImage.getFields")).status_code == 200
    assert (await stormy.get("http://shop.test/readyz")).status_code == 200
