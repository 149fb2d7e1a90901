"""`packshot verify`: does the store hold together?"""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from packshot.cli.common import Config, Data, bar, of_store, patient, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.config import Settings
from packshot.services import verify as checks
from packshot.services.core import Core
from packshot.services.verify import Finding
from packshot.storage import blob_rows
from packshot.storage.folder import KeyLost
from packshot.storage.migrations import DatabaseUnusable

SAID_EVERY_S = 60.0

Examine = Callable[[Core, Callable[[int], None]], AsyncIterator[Finding]]


def verify(
    data: Data = DEFAULT_DATA,
    full: Annotated[bool, typer.Option("--full", help="Read every byte of every original, too.")] = False,
    after: Annotated[
        int, typer.Option(min=0, metavar="ID", help="Go on behind that original, where a verify was interrupted.")
    ] = 0,
    config_file: Config = None,
) -> None:
    """Look at the database and whether every original is there; exit code 1 and a line each for what is wrong.

    It changes nothing, and may be run beside a serving packshot of the same version. How far it is stands in its bar
    or, where nobody watches a terminal, in a line a minute.
    """
    settings = of_store(data, config_file)
    examine = partial(checks.verify, full=full, after_id=after)
    if not report(data, settings, examine):
        raise typer.Exit(1)


def report(folder: Path, settings: Settings, examine: Examine) -> bool:
    """Print what is found in the store, and return whether all of it is well."""
    try:
        return with_core(folder, patient(settings), _printing(examine))
    except (DatabaseUnusable, KeyLost) as error:
        typer.echo(f"WRONG database: {error}")
        return False


def _printing(examine: Examine) -> Callable[[Core], Awaitable[bool]]:
    async def run(core: Core) -> bool:
        well = True
        async for finding in examine(core, _marks(await blob_rows.last_id(core.db))):
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'} {finding.what}")
            well = well and finding.ok
        return well

    return run


def _marks(last_id: int) -> Callable[[int], None]:
    """What shows how far it is in a bar, and now and then in a line for logs: what is killed says nothing more."""
    show, said_at = bar(last_id, "originals"), time.monotonic()

    def mark(blob_id: int) -> None:
        nonlocal said_at
        show(blob_id)
        if time.monotonic() - said_at > SAID_EVERY_S and not sys.stderr.isatty():
            said_at = time.monotonic()
            typer.echo(f"packshot: original {blob_id} of {last_id}; to go on from here: --after {blob_id}", err=True)

    return mark
