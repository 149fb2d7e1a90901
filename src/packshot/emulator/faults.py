"""Bad weather on demand: calls that are slow, fail, or lose their answer, as rules say.

Rules come from the setting `faults.rules` and, while the server runs, from `packshot fault add`.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

import msgspec
import structlog

from packshot.domain.errors import InvalidValue
from packshot.services.core import Core
from packshot.storage import fault_rules
from packshot.storage.database import Tx

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]
Fail = Callable[[Scope, Any, int], Awaitable[None]]
"""Answers with a status (429, or 500 to 599) in the words of a door."""

LOOK_S = 0.5
"""How long a rule that was added or removed by command may go unnoticed."""

LONGEST_S = 3600.0

ABORT = "packshot.abort"
"""Under this name our server leaves in the `state` of a scope what closes the connection at once."""

_FORMS = "`slow SECONDS`, a status like `503` or `drop after commit`, then perhaps `every N` and `on METHOD`"
_RULE = re.compile(
    r"(?:slow (?P<seconds>[0-9]+(?:\.[0-9]+)?)|(?P<status>[0-9]{3})|drop after commit)"
    r"(?: every (?P<every>[0-9]{1,6}))?(?: on (?P<method>[\w.-]+\*?|\*))?",
    re.ASCII,
)
_FORMATS = (".json", ".xml")

_log = structlog.get_logger("packshot.faults")


class FaultSettings(msgspec.Struct, frozen=True):
    """Faults for clients to be tested against.

    `rules`: what goes wrong from the start on, like `slow 2 on catalog.product.list` or `503 every 3`.
    """

    rules: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """One fault, as `text` says it: it happens to each `every`-th call of the methods that `method` names.

    `slow` waits `seconds` before the call; `fail` answers with `status` instead; `drop` closes the connection
    after it. `method` is a lower-case name, the beginning of one with `*` behind it, or empty for all.
    """

    text: str
    fault: Literal["slow", "fail", "drop"]
    seconds: float = 0.0
    status: int = 0
    every: int = 1
    method: str = ""

    def is_about(self, method: str) -> bool:
        """Whether the rule is about calls of that method, named in lower case."""
        if self.method.endswith("*"):
            return method.startswith(self.method[:-1])
        return self.method in ("", method)


def parse(text: str) -> Rule:
    """The rule that *text* is: `slow SECONDS`, `STATUS` or `drop after commit`, then `every N`, then `on METHOD`.

    SECONDS may have a fraction and be 3600 at most; STATUS is 429 or from 500 on; the method's name ends with
    `*` where it is the beginning of several.

    Raises:
        InvalidValue: it is none; the sentence says what is wrong with it.
    """
    text = " ".join(text.lower().split())
    found = _RULE.fullmatch(text)
    if found is None:
        raise _bad(text, f"a rule is {_FORMS}")
    every, method = int(found["every"] or 1), found["method"] or ""
    if every < 1:
        raise _bad(text, "every 0th call is none")
    if found["status"]:
        status = int(found["status"])
        if status != 429 and not 500 <= status <= 599:  # noqa: PLR2004 - statuses
            raise _bad(text, "the status is 429, or 500 to 599")
        return Rule(text, "fail", status=status, every=every, method=method)
    if found["seconds"]:
        seconds = float(found["seconds"])
        if seconds > LONGEST_S:
            raise _bad(text, f"a call waits {LONGEST_S:.0f} seconds at most")
        return Rule(text, "slow", seconds=seconds, every=every, method=method)
    return Rule(text, "drop", every=every, method=method)


def _bad(text: str, why: str) -> InvalidValue:
    return InvalidValue("rule", f"{text!r} is no fault rule: {why}")


class Faults:
    """A door in bad weather: *door*, but for what the rules say. Without rules it is called as if it stood alone.

    `fixed` are the rules of the settings, beside which those of the database are looked for while calls come in.
    Every rule counts the calls it is about by itself, from the moment it is first seen.
    """

    def __init__(
        self, door: Asgi, fail: Fail, core: Core, fixed: Iterable[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._door = door
        self._fail = fail
        self._core = core
        self._fixed = [parse(text) for text in fixed]
        self._clock = clock
        self._look_at = clock()
        self._seen: dict[Rule, int] = {}

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        """Answer one request, or not."""
        if self._seen or self._clock() >= self._look_at:
            return self._ruled(scope, receive, send)
        return self._door(scope, receive, send)

    async def _ruled(self, scope: Scope, receive: Any, send: Any) -> None:
        if self._clock() >= self._look_at:
            await self._look()
        due = self._due(_method(scope["path"]))
        if delay_s := sum(rule.seconds for rule in due):
            await asyncio.sleep(delay_s)
        if statuses := [rule.status for rule in due if rule.fault == "fail"]:
            await self._fail(scope, send, statuses[0])
        elif any(rule.fault == "drop" for rule in due):
            await self._drop(scope, receive)
        else:
            await self._door(scope, receive, send)

    async def _look(self) -> None:
        """Take over the rules there are by now."""
        self._look_at = self._clock() + LOOK_S
        try:
            added = [parse(text) for text in await fault_rules.of_rules(self._core.db)]
        except Exception:  # noqa: BLE001 - whatever is wrong with the store, the door has the words for it
            return
        before, self._seen = self._seen, {rule: self._seen.get(rule, 0) for rule in (*self._fixed, *added)}
        if before.keys() != self._seen.keys():
            _log.warning("fault rules have changed", rules=[rule.text for rule in self._seen])

    def _due(self, method: str) -> list[Rule]:
        about = [rule for rule in self._seen if rule.is_about(method)]
        for rule in about:
            self._seen[rule] += 1
        return [rule for rule in about if self._seen[rule] % rule.every == 0]

    async def _drop(self, scope: Scope, receive: Any) -> None:
        """Carry the call out, and let the client never know.

        Whoever returns to an ASGI server without an answer has it send one in their place, unless the client is
        gone: so the connection is closed, and the server's word for that awaited.
        """
        await self._door(scope, receive, _unsent)
        scope["state"][ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _unsent(_: dict[str, Any]) -> None:
    pass


def _method(path: str) -> str:
    """The last part of an address, in lower case and without the suffix that chooses the format.

    Of an upload to `images/GUID` it is `images`.
    """
    *_, before, name = "", "", *filter(None, path.lower().split("/"))
    name = before if before == "images" else name
    return next((name.removesuffix(suffix) for suffix in _FORMATS if name.endswith(suffix)), name)


async def add(core: Core, text: str) -> None:
    """Add a rule that running servers see within a second; one that is there is no other.

    Raises:
        InvalidValue: it is no rule.
        Conflict: there are too many.
    """
    rule = parse(text)

    async def work(tx: Tx) -> None:
        await fault_rules.add_rule(tx, rule.text, core.now())

    await core.db.write(work)


async def listed(core: Core) -> list[str]:
    """The rules that were added by command, oldest first."""
    return await fault_rules.of_rules(core.db)


async def clear(core: Core) -> int:
    """Remove the rules that were added by command and return how many there were."""
    return await core.db.write(fault_rules.remove_rules, makes_room=True)
