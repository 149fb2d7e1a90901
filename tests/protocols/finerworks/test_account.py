"""Who is calling, and what they want to be written down."""

import io
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog

from packshot.observability import LogSettings, configure_logging
from packshot.protocols.finerworks.account import DETAILS_CHARACTERS
from packshot.services import setup, users
from packshot.services.core import Core

V3 = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    configure_logging(LogSettings(format="json"), stream)
    yield stream
    structlog.reset_defaults()


async def test_the_account_shows_its_first_administrator(v3: V3, core: Core) -> None:
    await users.add(core, setup.ACCOUNT, "anna", "editor", ("Anna", "Smith", "anna@shop.example"))
    await users.add(core, setup.ACCOUNT, "boss", "administrator", ("Bo", "Ss", "boss@shop.example"))

    user = (await v3("GET", "get_user")).json()["user_account"]

    assert user["account_username"] == "admin"
    assert user["account_id"] == 1


async def test_both_names_of_the_same_answer_give_the_same(v3: V3) -> None:
    answers = [await v3(*call) for call in (("GET", "get_user"), ("GET", "test_my_credentials"))]
    answers.append(await v3("POST", "test_my_credentials", json={"anything": 1}))

    assert answers[0].json() == answers[1].json() == answers[2].json()


async def test_an_event_is_logged_in_parts(v3: V3, log: io.StringIO) -> None:
    event = {"type": "error", "name": "Delete", "details": '{"app_key":"abcdef"}', "account_id": 0, "site_id": "2"}

    answer = await v3("POST", "add_event", json=event)

    (line,) = [json.loads(text) for text in log.getvalue().split("\n") if "client event" in text]
    assert line["id"] == answer.json()["event_log"]["id"]
    assert (line["type"], line["name"], line["account_id"]) == ("error", "Delete", 1)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "abcdef" not in line["details"]
    assert "app_key" in line["details"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": None, "name": 7, "details": {"a": [1]}},
        {"details": "x" * 40_000},
        {"name": "n" * 40_000},
        {"type": ["x"] * 500},
        {"details": "\n\r\u2028\x1b[31m"},
    ],
)
async def test_no_event_is_refused_and_none_fills_the_log(v3: V3, log: io.StringIO, event: Any) -> None:
    answer = await v3("POST", "add_event", json=event)

    assert answer.status_code == 200
    (line,) = [text for text in log.getvalue().split("\n") if "client event" in text]
    assert len(json.loads(line)["details"]) <= DETAILS_CHARACTERS
