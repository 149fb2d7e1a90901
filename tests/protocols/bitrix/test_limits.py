"""The limits of the cloud: a leaky bucket of calls, and seconds of a method within ten minutes."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from fractions import Fraction
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import Call, Clock
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import LimitReached
from packshot.protocols.bitrix import limits
from packshot.protocols.bitrix.errors import SystemRefusal
from packshot.protocols.bitrix.limits import (
    Limiter,
    LimitSettings,
    count_call,
    limiter,
    require_time,
    spend_time,
)
from packshot.services.core import Core
from packshot.services.setup import Seed

CALLER = Principal(1, 1, "administrator", frozenset({"catalog"}), 7)
FIELDS = "catalog.productImage.getFields"
NEVER = 1e9

Limited = Callable[[LimitSettings], Awaitable[httpx.AsyncClient]]


@pytest.fixture
def ticks() -> Clock:
    """Seconds that never go back; another hour than the one on the wall."""
    return Clock(1_000.0)


def made(settings: LimitSettings, ticks: Clock, wall: Clock | None = None) -> Limiter:
    return Limiter(settings, ticks, wall or Clock())


def wait_s(limited: Limiter, source: str = "10.0.0.1", account_id: int = 1) -> int:
    """0 for a call that is taken, else after how many seconds there is room."""
    try:
        count_call(limited, account_id, source)
    except LimitReached as error:
        return error.retry_after_s
    return 0


# The bucket


@pytest.mark.parametrize(("profile", "burst", "calls_per_s"), [("standard", 50, 2), ("enterprise", 250, 5)])
def test_a_profile_takes_its_burst_and_then_so_many_calls_a_second(
    ticks: Clock, profile: Any, burst: int, calls_per_s: int
) -> None:
    limited = made(LimitSettings(profile=profile), ticks)

    first = [wait_s(limited) for _ in range(burst + 10)]
    ticks.advance(1)
    second = [wait_s(limited) for _ in range(10)]

    assert [wait == 0 for wait in first] == [True] * burst + [False] * 10
    assert [wait == 0 for wait in second] == [True] * calls_per_s + [False] * (10 - calls_per_s)


@given(
    st.integers(1, 5),
    st.integers(1, 20),
    st.lists(st.integers(0, 400), max_size=60),
)
def test_the_bucket_is_the_plain_one_that_is_counted_up_and_leaks(rate: int, burst: int, pauses: list[int]) -> None:
    """Pauses are 64ths of a second, which both binary and exact numbers hold."""
    ticks = Clock(0.0)
    limited = made(LimitSettings(profile="standard", calls_per_s=rate, burst=burst), ticks)
    level = Fraction(0)

    for pause in pauses:
        ticks.advance(pause / 64)
        level = max(level - Fraction(pause * rate, 64), Fraction(0))
        wait = wait_s(limited)

        assert (wait == 0) == (level + 1 <= burst)
        assert wait == (0 if level + 1 <= burst else max(math.ceil((level + 1 - burst) / rate), 1))
        level += 1 if wait == 0 else 0


@given(st.floats(0.1, 100), st.integers(1, 300), st.floats(0, 1e6))
def test_after_retry_after_there_is_room_again(rate: float, burst: int, begin: float) -> None:
    ticks = Clock(begin)
    limited = made(LimitSettings(profile="standard", calls_per_s=rate, burst=burst), ticks)

    taken = [wait_s(limited) for _ in range(burst)]
    wait = wait_s(limited)
    ticks.advance(wait)

    assert taken == [0] * burst
    assert wait >= 1
    assert wait_s(limited) == 0


def test_accounts_and_source_addresses_have_buckets_of_their_own(ticks: Clock) -> None:
    limited = made(LimitSettings(profile="standard", burst=1), ticks)

    waits = [wait_s(limited, "10.0.0.1"), wait_s(limited, "10.0.0.2"), wait_s(limited, "10.0.0.1", account_id=2)]

    assert waits == [0, 0, 0]
    assert wait_s(limited, "10.0.0.1") > 0


def test_no_more_callers_are_remembered_than_the_bound(ticks: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 3)
    limited = made(LimitSettings(profile="standard", burst=1), ticks)

    for number in range(10):
        wait_s(limited, f"10.0.0.{number}")
        spend_time(limited, msgspec.structs.replace(CALLER, credential_id=number), FIELDS, 1)

    assert len(limited.empty_at) == len(limited.minutes) == 3
    assert wait_s(limited, "10.0.0.9") > 0


def test_limits_are_off_unless_a_profile_is_chosen() -> None:
    assert limiter(LimitSettings(calls_per_s=1, burst=1, operating_s=0)) is None


# The operating time


def refusal(limited: Limiter, method: str = FIELDS, caller: Principal = CALLER) -> int | None:
    """After how many seconds a refused call may come back; None for one that is let through."""
    try:
        require_time(limited, caller, method)
    except SystemRefusal as error:
        return error.retry_after_s
    return None


def test_the_call_that_passes_the_limit_is_the_last(ticks: Clock) -> None:
    limited = made(LimitSettings(profile="standard"), ticks)

    seen = []
    for _ in range(4):
        seen.append(refusal(limited))
        ticks.advance(1)
        spend_time(limited, CALLER, FIELDS, 180)  # as calls that run beside each other

    assert seen == [None, None, None, 600 - 180 + 1 - 3]


def test_the_limit_holds_until_enough_has_left_the_window(ticks: Clock) -> None:
    limited = made(LimitSettings(profile="standard", operating_s=10), ticks)
    for seconds in (4, 4, 4):  # each in a minute of its own, beginning at 0, 60 and 120
        ticks.advance(seconds)
        spend_time(limited, CALLER, FIELDS, seconds)
        ticks.advance(60 - seconds)

    wait = refusal(limited)
    ticks.advance((wait or 0) - 1)
    shortly_before = refusal(limited)
    ticks.advance(1)

    assert wait == 600 - 180
    assert shortly_before == 1
    assert refusal(limited) is None


def test_minutes_roll_over_one_by_one(ticks: Clock) -> None:
    wall = Clock()
    limited = made(LimitSettings(profile="standard", operating_s=NEVER), ticks, wall)
    began_at = int(wall.now)

    shown = []
    for _ in range(30):  # a call of a second at the beginning of each minute, for half an hour
        ticks.advance(1)
        wall.advance(1)
        shown.append(spend_time(limited, CALLER, FIELDS, 1))
        ticks.advance(59)
        wall.advance(59)

    assert [operated.seconds for operated in shown] == [*range(1, 11), *[10] * 20]
    assert [operated.reset_at - began_at for operated in shown] == [*[600] * 10, *range(660, 1860, 60)]
    assert len(limited.minutes[("webhook", 7, FIELDS)]) == 10


def test_calls_of_one_minute_leave_the_window_together(ticks: Clock) -> None:
    limited = made(LimitSettings(profile="standard"), ticks)
    for _ in range(59):
        spend_time(limited, CALLER, FIELDS, 0.5)
        ticks.advance(1)

    ticks.advance(600 - 59 - 1)
    held = spend_time(limited, CALLER, FIELDS, 0.25).seconds
    ticks.advance(1)
    left = spend_time(limited, CALLER, FIELDS, 0.25).seconds

    assert (held, left) == (59 * 0.5 + 0.25, 0.5)


def test_methods_webhooks_and_applications_are_counted_apart(ticks: Clock) -> None:
    limited = made(LimitSettings(profile="standard", operating_s=1), ticks)
    token = msgspec.structs.replace(CALLER, application_id=7)
    next_token = msgspec.structs.replace(token, credential_id=8)

    spend_time(limited, CALLER, FIELDS, 2)
    spend_time(limited, token, "catalog.product.get", 2)

    assert refusal(limited, FIELDS)
    assert refusal(limited, FIELDS, msgspec.structs.replace(CALLER, credential_id=8)) is None
    assert refusal(limited, "catalog.product.get") is None
    assert refusal(limited, FIELDS, token) is None
    assert refusal(limited, "catalog.product.get", next_token)


# At the door


@pytest.fixture
async def limited(core: Core, seed: Seed) -> AsyncIterator[Limited]:
    """`await limited(settings)`: a client at a door with these limits, behind the seed's webhook."""
    opened: list[httpx.AsyncClient] = []

    async def open_(settings: LimitSettings) -> httpx.AsyncClient:
        asgi: Any = app.build(core, msgspec.structs.replace(Settings(), limits=settings), lambda: True)[0]
        base_url = f"http://shop.test/rest/{seed.user_id}/{seed.webhook_code}/"
        opened.append(httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url=base_url))
        return opened[-1]

    yield open_
    for client in opened:
        await client.aclose()


async def test_vector_11_sixty_calls_at_once_are_too_many(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="standard"))

    answers = [await client.get("catalog.catalog.list") for _ in range(60)]

    refused = [answer for answer in answers if answer.status_code != 200]
    assert [answer.status_code for answer in answers[:50]] == [200] * 50
    assert refused
    for answer in refused:
        assert answer.status_code == 503
        assert answer.json() == {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}
        assert answer.headers["retry-after"] == "1"


async def test_vector_11_a_batch_counts_once(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="standard", burst=2, calls_per_s=0.001))
    commands = {"cmd": [FIELDS] * 50}

    answers = [await client.post("batch", json=commands) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 503]
    assert len(answers[1].json()["result"]["result"]) == 50
    assert int(answers[2].headers["retry-after"]) > 900


async def test_a_refused_credential_costs_its_account_nothing(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="standard", burst=1, calls_per_s=0.001))

    refused = [await client.get("../wrong/catalog.catalog.list") for _ in range(3)]

    assert [answer.status_code for answer in refused] == [401] * 3
    assert (await client.get("catalog.catalog.list")).status_code == 200


async def test_a_method_over_its_time_is_blocked_and_others_go_on(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="standard", operating_s=0))

    first, second = [await client.get("catalog.catalog.list") for _ in range(2)]
    other = await client.get(FIELDS)

    assert first.status_code == other.status_code == 200
    assert second.status_code == 429
    assert second.json() == {
        "error": "OPERATION_TIME_LIMIT",
        "error_description": "Method is blocked due to operation time limit.",
    }
    assert 590 <= int(second.headers["retry-after"]) <= 600


async def test_a_call_that_fails_takes_its_time_too(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="standard", operating_s=0))

    answers = [await client.get("catalog.productImage.get?productId=1&id=404404") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [400, 429]


async def test_commands_of_a_batch_count_each_for_its_own_method(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="standard", operating_s=0))
    commands = {"cmd": {"a": FIELDS, "b": FIELDS, "c": "catalog.catalog.list"}}

    once = (await client.post("batch", json=commands)).json()["result"]
    again = (await client.post("batch", json=commands)).json()["result"]

    blocked = {
        "error": "OPERATION_TIME_LIMIT",
        "error_description": "Method is blocked due to operation time limit.",
    }
    assert set(once["result"]) == {"a", "c"}
    assert once["result_error"] == {"b": blocked}
    assert once["result_time"]["a"]["operating"] > 0
    assert again["result_error"] == {"a": blocked, "b": blocked, "c": blocked}


async def test_with_a_profile_time_shows_the_seconds_so_far(limited: Limited) -> None:
    client = await limited(LimitSettings(profile="enterprise"))

    shown = [(await client.get(FIELDS)).json()["time"] for _ in range(3)]

    operating = [time["operating"] for time in shown]
    assert 0 < operating[0] < operating[1] < operating[2]
    assert operating[0] <= shown[0]["duration"] + 0.01
    assert {time["operating_reset_at"] for time in shown} == {int(shown[0]["start"]) + 600} or (
        abs(shown[0]["operating_reset_at"] - shown[0]["start"] - 600) <= 1.5  # a second ended in between
    )


async def test_without_limits_time_shows_nothing_used(call: Call) -> None:
    shown = (await call(FIELDS))["time"]

    assert shown["operating"] == 0
    assert shown["operating_reset_at"] == int(shown["start"]) + 600
