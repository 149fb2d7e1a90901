"""`packshot requests`: the last calls as they went over the wire."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
import typer

from packshot.cli.common import Data, stop
from packshot.cli.printed import program, quoted
from packshot.cli.serve import DEFAULT_DATA
from packshot.emulator import calls
from packshot.emulator.calls import Message, RecordedCall

Write = Callable[[RecordedCall], str]

SHOWN_LINES = 60
"""How much of a body a person is shown; `--json` has all of it."""

_LONG_LINE = 120
_POLL_S = 0.2


def requests(
    data: Data = DEFAULT_DATA,
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, metavar="COUNT", help="How many of the last calls.")
    ] = 10,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="Only calls of that method; catalog.product.* works too.")
    ] = "*",
    failed: Annotated[bool, typer.Option("--failed", help="Only calls with an error, or without an answer.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with calls as they come, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, for scripts.")] = False,
) -> None:
    """Show the last calls as they went over the wire, secrets masked; the server may run or not.

    Calls are kept while a server runs with --record, or with the setting emulator.record.
    """
    if not any(path.exists() for path in calls.files(data)):
        serve = f"{program()} serve --record --data {quoted(data)}"
        raise stop(f"no calls were recorded in {data}. Start the server with {serve}, or set emulator.record = 200")

    def is_wanted(call: RecordedCall) -> bool:
        return fnmatchcase(call.name.lower(), method.lower()) and (call.failed or not failed)

    write = _as_json if as_json else _for_people
    coming = calls.tail(data)
    found = [call for call in next(coming) if is_wanted(call)][-count:]
    _print(found, write)
    if not found and not follow:
        typer.echo("No call that is kept fits.", err=True)
    if follow:
        _follow(coming, is_wanted, write)


def _follow(coming: Iterator[list[RecordedCall]], is_wanted: Callable[[RecordedCall], bool], write: Write) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        for new in coming:
            _print([call for call in new if is_wanted(call)], write)
            time.sleep(_POLL_S)


def _print(found: list[RecordedCall], write: Write) -> None:
    for call in found:
        typer.echo(write(call))


def _as_json(call: RecordedCall) -> str:
    return msgspec.json.encode(call).decode()


def _for_people(call: RecordedCall) -> str:
    at = datetime.fromtimestamp(call.at, UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
    status = "no answer" if call.status is None else str(call.status)
    error = f"error {call.error}" if call.error else ""
    facts = [at, call.name, status, error, f"{call.seconds * 1000:.1f} ms", call.request_id]
    request = [f"> {line}".rstrip() for line in (call.line, *_lines(call.request))]
    answer = [f"< {line}".rstrip() for line in (status, *_lines(call.answer))]
    return "\n".join(["  ".join(fact for fact in facts if fact), *request, *answer, ""])


def _lines(message: Message) -> list[str]:
    headers = [f"{name}: {value}" for name, value in message.headers]
    body = _laid_out(message.body).splitlines()
    more = [f"... {len(body) - SHOWN_LINES} more lines: --json shows them"] if len(body) > SHOWN_LINES else []
    return [*headers, *([""] if body else []), *body[:SHOWN_LINES], *more]


def _laid_out(body: str) -> str:
    """JSON of more than a line is indented; everything else stays as it came."""
    if len(body) <= _LONG_LINE:
        return body
    try:
        return msgspec.json.format(body.encode(), indent=2).decode()
    except msgspec.DecodeError:
        return body
