"""Replays requests as pages show them and as clients of FinerWorks were seen to send them, byte for byte.

A file holds one request: where it is from (`source`), the request and its answer. `$web_api_key` and `$app_key` are
those of the account; in an answer `$id`, `$text` and `$anyText` stand for anything of that kind.
"""

import json
from pathlib import Path
from string import Template
from typing import Any

import httpx
import pytest

from packshot.protocols.finerworks.methods import METHODS
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.setup import Seed

FOLDER = Path(__file__).parent / "finerworks"
EXAMPLES: dict[str, Any] = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
PLACEHOLDERS: dict[str, Any] = {
    "$id": lambda value: type(value) is int and value > 0,
    "$text": lambda value: isinstance(value, str) and value,
    "$anyText": lambda value: isinstance(value, str),
}


def checked(expected: Any, actual: Any) -> Any:
    """*actual* with whatever is as a placeholder of *expected* wants it replaced by that placeholder."""
    if isinstance(expected, str) and expected in PLACEHOLDERS:
        return expected if PLACEHOLDERS[expected](actual) else actual
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: checked(expected.get(key), value) for key, value in actual.items()}
    return actual


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_request_is_answered_as_its_client_expects(
    client: httpx.AsyncClient, core: Core, seed: Seed, name: str
) -> None:
    del seed
    pair = await keys.create(core, setup.ACCOUNT)
    known = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
    request = json.loads(Template(json.dumps(EXAMPLES[name]["request"])).safe_substitute(known))

    answer = await client.request(
        request["verb"], request["path"], headers=request["headers"], content=request.get("body", "").encode()
    )

    assert answer.status_code == EXAMPLES[name]["status"]
    expected = EXAMPLES[name]["answer"]
    assert json.dumps(checked(expected, answer.json()), sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_every_method_has_an_example() -> None:
    assert {name.partition(".")[0] for name in EXAMPLES} == set(METHODS)
