"""What commands share: their options, the store they work on, and how they fail."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from packshot import config
from packshot.app import agreed, open_core
from packshot.cli.printed import program, quoted, visible
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import NotFound
from packshot.server import EXIT_DISK_FAILED
from packshot.services import calls, nodes
from packshot.services.access import account_called
from packshot.services.core import Core
from packshot.services.setup import SCOPES
from packshot.storage.folder import DATABASE
from packshot.storage.migrations import on_postgresql

Result = TypeVar("Result")
Choice = TypeVar("Choice")

EXIT_USAGE = 2
EXIT_TRY_AGAIN = 75

WHOLE_STORE_S = 3_600

_SHOWN_BY = {
    "account": "account list", "user": "user list", "webhook": "webhook list", "application": "app list",
    "catalog": "catalog list", "pair of keys": "keys list", "outgoing webhook": "event hook list",
    "event": "event pending", "deletion": "trash list", "item": "trash show DELETION",
}  # fmt: skip

Data = Annotated[Path, typer.Option("--data", envvar="PACKSHOT_DATA", help="The data folder.", metavar="FOLDER")]
Config = Annotated[
    Path | None, typer.Option("--config", envvar="PACKSHOT_CONFIG", help="A TOML file with settings.", metavar="FILE")
]

Account = Annotated[str, typer.Option(metavar="NAME", help="The account.")]


def fail(message: str) -> int:
    """Print one line to standard error and return the exit code for wrong usage and settings."""
    lines = (visible(line) for line in message.split("\n"))  # it may name what others wrote
    typer.echo("packshot: " + "\n".join(lines), err=True)
    return EXIT_USAGE


def absent(error: NotFound) -> str:
    """What is not there, and the command that shows what is."""
    shown = _SHOWN_BY.get(error.kind)
    return f"there is no {error.kind} {error.key}" + (f": `{program()} {shown}` shows what there is" if shown else "")


def stop(message: str) -> typer.Exit:
    """The exception that ends a command with one line and exit code 2."""
    return typer.Exit(fail(message))


def one_of(what: str, text: str, known: Sequence[Choice]) -> Choice:
    """*text*, if it is one of the *known* words. Raises: typer.Exit."""
    for word in known:
        if word == text:
            return word
    raise stop(f"unknown {what} {text}: there are {', '.join(map(str, known))}")


def scopes_of(text: str) -> tuple[str, ...]:
    """The scopes in a list with commas, sorted. Raises: typer.Exit."""
    wanted = {scope.strip() for scope in text.split(",") if scope.strip()}
    if unknown := wanted - SCOPES:
        raise stop(f"unknown scope {', '.join(sorted(unknown))}: there are {', '.join(sorted(SCOPES))}")
    return tuple(sorted(wanted))


def show_progress(text: str, *, done: bool = False) -> None:
    """Write a line of progress over the one before; where nobody watches a terminal, only the last one."""
    live = sys.stderr.isatty()
    if live or done:
        typer.echo(f"\r{text}" if live else text, nl=done, err=True)


def drawn(done: int, total: int) -> str:
    """How much of *total* is done, as a bar and in figures."""
    filled = 20 * min(done, total) // max(total, 1)
    return f"[{'#' * filled:.<20}] {done} of {total}"


def bar(total: int, what: str) -> Callable[[int], None]:
    """What shows how much of *total* is done: a bar on a terminal, nothing elsewhere."""
    step = max(total // 200, 1)

    def show(done: int) -> None:
        if sys.stderr.isatty() and (done % step == 0 or done == total):
            show_progress(f"{drawn(done, total)} {what}", done=done == total)

    return show


def require_writable(folder: Path) -> None:
    """Make the data folder, or end the command with the reason why that cannot be. Raises: typer.Exit."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise stop(f"the data folder {folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise stop(f"the data folder {folder} cannot be written to: give it to this user, or name another with --data")


def require_store(folder: Path) -> None:
    """End the command unless the folder holds a store. Raises: typer.Exit."""
    if not (folder / DATABASE).exists():
        raise stop(f"there is no store in {folder}: make one with `{program()} init --data {quoted(folder)}`")


def of_store(folder: Path, config_file: Path | None) -> Settings:
    """The settings; ends the command unless there is a store, in the folder or in the database that they name.

    Raises: typer.Exit, BadSetting, StoreUnusable.
    """
    settings = config.load(config_file)
    url = settings.database.url
    if not url:
        require_store(folder)
    elif not asyncio.run(on_postgresql.exists(url)):
        raise stop(f"there is no store in the database {on_postgresql.place(url)}: make one with `{program()} init`")
    return settings


def patient(settings: Settings) -> Settings:
    """The same for what looks at a whole store at once, which takes longer than the requests of a server may."""
    longest_s = max(settings.database.statement_s, WHOLE_STORE_S)
    return msgspec.structs.replace(settings, database=msgspec.structs.replace(settings.database, statement_s=longest_s))


def with_core(folder: Path, settings: Settings, use: Callable[[Core], Awaitable[Result]]) -> Result:
    """Open the store, use it, close it. Raises: typer.Exit (74 after the disk failed)."""
    failures: list[BaseException] = []

    async def run() -> Result:
        async with open_core(folder, settings, failures.append) as core:
            await nodes.require_agreement(core, agreed(folder, settings))
            return await use(core)

    try:
        return asyncio.run(run())
    finally:
        if failures:
            fail(f"the disk failed: {failures[0]}")
            raise typer.Exit(EXIT_DISK_FAILED)


async def owner(core: Core, account: str, method: str) -> Principal:
    """Whoever owns the store, as the caller of *method* for that account. Raises: NotFound."""
    calls.begin(core, method)
    return Principal(await account_called(core, account), 0, "administrator", frozenset(), 0)
