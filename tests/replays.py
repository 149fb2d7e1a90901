"""Requests as pages show them and as clients of FinerWorks were seen to send them, with the answers they live on.

Each file below `contract/finerworks` holds one: where it is from (`source`), the requests that have to come before it
(`before`, names of other files), the request and its answer. `$web_api_key`, `$app_key` and `$account_key` are those of
`$account`; `$guid` and `$sku` the first image and the first product of the answers before. In an answer `$id`, `$text`,
`$anyText`, `$empty`, `$date` and `$sku` stand for anything of that kind.
"""

import json
import re
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from packshot.services.keys import Keys

FOLDER = Path(__file__).parent / "contract" / "finerworks"
EXAMPLES: dict[str, Any] = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
BY_LIBRARY = frozenset({"accept", "accept-encoding", "user-agent", "connection"})
"""Headers that an HTTP library sends of its own accord."""

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}[+-]\d\d:\d\d")
_PLACEHOLDERS: dict[str, Any] = {
    "$id": lambda value: type(value) is int and value > 0,
    "$text": lambda value: isinstance(value, str) and value,
    "$anyText": lambda value: isinstance(value, str),
    "$empty": lambda value: value is None or value == "",
    "$date": lambda value: isinstance(value, str) and _DATE.fullmatch(value),
    "$sku": lambda value: isinstance(value, str) and re.fullmatch(r"AP\d+P\d+", value),
}


def chain(name: str) -> list[str]:
    """The names of all requests that this one needs, itself last."""
    return [step for before in EXAMPLES[name].get("before", ()) for step in chain(before)] + [name]


def known_of(account: str, pair: Keys) -> dict[str, str]:
    """What is known of an account before the first request."""
    return {"account": account} | msgspec.structs.asdict(pair)


def learn(known: dict[str, str], answer: Any) -> None:
    """Add what an answer tells to *known*: its first image, and its first product."""
    for key, rows, field in (("guid", "images", "guid"), ("sku", "products", "sku")):
        if answer.get(rows):
            known.setdefault(key, answer[rows][0][field])


def request_of(name: str, known: dict[str, str]) -> dict[str, Any]:
    """The request: `verb`, `path`, `headers` and, perhaps, `body`."""
    filled: dict[str, Any] = json.loads(Template(json.dumps(EXAMPLES[name]["request"])).safe_substitute(known))
    return filled


def compared(name: str, known: dict[str, str], status: int, answer: Any) -> tuple[str, str]:
    """The answer and what the file says it has to be, both as text: they are equal, key by key, or it is wrong."""
    expected = json.loads(Template(json.dumps(EXAMPLES[name]["answer"])).safe_substitute(known))
    sides = [status, _checked(expected, answer)], [EXAMPLES[name]["status"], expected]
    seen, wanted = (json.dumps(side, sort_keys=True, indent=1) for side in sides)
    return seen, wanted


def _checked(expected: Any, actual: Any) -> Any:
    """*actual* with whatever is as a placeholder of *expected* wants it replaced by that placeholder."""
    if isinstance(expected, str) and expected in _PLACEHOLDERS:
        return expected if _PLACEHOLDERS[expected](actual) else actual
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: _checked(expected.get(key), value) for key, value in actual.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [_checked(*pair) for pair in zip(expected, actual, strict=True)]
    return actual
