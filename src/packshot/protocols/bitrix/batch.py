"""batch: up to fifty commands in one call, each with its own outcome. Source: page "Batch"."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from packshot.domain.errors import InvalidValue
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.errors import (
    MISSING,
    TOO_LONG,
    WRONG_TYPE,
    NotInBatch,
    UnknownMethod,
    WireError,
    WrongParameter,
)
from packshot.protocols.bitrix.perform import failure, perform, taken
from packshot.protocols.body import parse_form

MAX_COMMANDS = 50
MAX_INSERTED = 64 * 1024
"""How many characters of earlier results one command may hold; sixteen times as many a whole batch."""

MAX_INSERTED_IN_BATCH = 16 * MAX_INSERTED
INLINE_CHARACTERS = 256 * 1024
"""Longer commands, uploads that is, are decoded on a thread."""

_REFERENCE = re.compile(r"\$result((?:\[[^\[\]]+\])+)")
_STEP = re.compile(r"\[([^\[\]]+)\]")


class _Outcome(msgspec.Struct):
    """The five sections of the answer, by the keys of the commands."""

    result: dict[str, Any] = {}
    result_error: dict[str, Any] = {}
    result_total: dict[str, int] = {}
    result_next: dict[str, int] = {}
    result_time: dict[str, Any] = {}
    inserted: int = 0


async def batch(call: Call) -> Answer:
    """Run the commands of `cmd` one after the other and give each its result or its error.

    A command is `method?parameters`, the parameters encoded as in an address; `$result[key][field]` in their
    values is replaced by what an earlier command gave. Each command is a change of its own: what a failing one
    leaves behind is what it would leave behind alone. With `halt` the first failure is the last command.

    Raises:
        WrongParameter: `cmd` is absent, empty, or no map or list.
    """
    commands, halt = _commands(call.params), _halts(call.params)
    outcome = _Outcome()
    for index, (key, command) in enumerate(commands[:MAX_COMMANDS]):
        await asyncio.sleep(0)  # reads hardly ever suspend: other callers get their turn between two commands
        try:
            await _run(call, index, key, command, outcome)
        except Exception as error:  # noqa: BLE001 - a command that fails, even by a bug, fails alone
            outcome.result_error[key] = _error(failure(error, call.settings))
            if halt:
                break
    else:
        outcome.result_error |= {key: _error(TOO_LONG) for key, _ in commands[MAX_COMMANDS:]}
    sections = {name: _php_array(getattr(outcome, name)) for name in outcome.__struct_fields__ if name != "inserted"}
    return Answer(sections)


def _error(error: WireError) -> dict[str, str]:
    """An error inside an answer; the code is text whatever the setting says, as a bare number looks like success."""
    return {"error": error.code, "error_description": error.description}


def _commands(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    commands = wire.param(params, "cmd")
    if isinstance(commands, list):
        commands = {str(index): command for index, command in enumerate(commands)}
    if not commands or not isinstance(commands, dict):
        raise WrongParameter("cmd", MISSING % "cmd")
    return list(commands.items())


def _halts(params: Mapping[str, Any]) -> bool:
    try:
        return bool(wire.read_flag(wire.param(params, "halt")))
    except ValueError:
        return False


async def _run(call: Call, index: int, key: str, command: Any, outcome: _Outcome) -> None:
    """Run one command and note what it gave. Raises: whatever is wrong with it."""
    started = time.time()
    if not isinstance(command, str):
        raise WrongParameter(key, WRONG_TYPE % (type(command).__name__, key, "string"))
    name, _, query = command.partition("?")
    method = call.methods.get(name.strip("/").lower().removesuffix(".json"))
    if method is None:
        raise UnknownMethod
    if not method.in_batch:
        raise NotInBatch
    params = _filled(await _parsed(call, query), outcome)
    running = time.time()
    own_key = call.key and call.key.of_command(index, method.name)
    answer = await perform(msgspec.structs.replace(call, params=params, key=own_key), method)
    if not isinstance(answer, Answer):
        raise NotInBatch
    outcome.result[key] = answer.result
    outcome.result_time[key] = taken(started, running, call.zone, answer.operated)
    if answer.total is not None:
        outcome.result_total[key] = answer.total
    if answer.next is not None:
        outcome.result_next[key] = answer.next


async def _parsed(call: Call, query: str) -> dict[str, Any]:
    if len(query) <= INLINE_CHARACTERS:
        return parse_form(query)
    return await asyncio.get_running_loop().run_in_executor(call.core.threads, parse_form, query)


def _filled(value: Any, outcome: _Outcome) -> Any:
    """*value* with every reference in its texts replaced.

    References are looked for after decoding, so it does not matter how they were escaped.

    Raises:
        InvalidValue: the command, or the batch so far, would hold too much text of earlier results.
    """
    before = outcome.inserted

    def fill(part: Any) -> Any:
        match part:
            case dict():
                return {key: fill(item) for key, item in part.items()}
            case list():
                return [fill(item) for item in part]
            case str() if "$result[" in part:
                return _REFERENCE.sub(insert, part)
            case _:
                return part

    def insert(reference: re.Match[str]) -> str:
        text = _text(_found(outcome.result, _STEP.findall(reference[1])))
        outcome.inserted += len(text)
        if outcome.inserted - before > MAX_INSERTED or outcome.inserted > MAX_INSERTED_IN_BATCH:
            raise InvalidValue("$result", "The references insert too much text")
        return text

    return fill(value)


def _found(value: Any, path: list[str]) -> Any:
    """What the path leads to in the results so far, or None. Only data is walked, never attributes."""
    for step in path:
        match value:
            case dict():
                value = value.get(step)
            case list() if step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(value):  # noqa: PLR2004 - digits
                value = value[int(step)]
            case _:
                return None
    return value


def _text(value: Any) -> str:
    """A result inside a command, as PHP turns values into text; what is no single value is nothing."""
    if value is True:
        return "1"
    if isinstance(value, str | int | float) and value is not False:
        return str(value)
    return ""


def _php_array(section: dict[str, Any]) -> Any:
    """As PHP encodes an array: a list where the keys are 0, 1 and so on, and where there are none."""
    return list(section.values()) if all(key == str(index) for index, key in enumerate(section)) else section
