"""The application around the doors: readiness, and who may read the metrics."""

from typing import Any

import httpx
import pytest

from packshot import app
from packshot.config import Settings
from packshot.domain.errors import Unavailable
from packshot.services.core import Core


async def test_a_database_that_does_not_answer_makes_the_server_unready(
    client: httpx.AsyncClient, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one(*_: Any) -> None:
        raise Unavailable("database")

    monkeypatch.setattr(core.db, "one", one)

    answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (503, {"status": "the database does not answer"})


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8080", 200), ("localhost", 200), ("[::1]:8080", 200), ("pictures.example", 404), ("[broken", 404)],
)
async def test_metrics_are_local_only_to_those_who_ask_by_a_local_name(
    core: Core, settings: Settings, host: str, status: int
) -> None:
    asgi: Any
    asgi, _ = app.build(core, settings, lambda: True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop.test") as client:
        answer = await client.get("/metrics", headers={"host": host})

    assert answer.status_code == status
