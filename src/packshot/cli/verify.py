"""`packshot verify`: does the store hold together?"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from packshot import config
from packshot.cli.common import Config, Data, bar, require_store, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.config import Settings
from packshot.services import verify as checks
from packshot.services.core import Core
from packshot.services.verify import Finding
from packshot.storage import blob_rows
from packshot.storage.folder import KeyLost
from packshot.storage.migrations import DatabaseUnusable

Examine = Callable[[Core, Callable[[int], None]], AsyncIterator[Finding]]


def verify(
    data: Data = DEFAULT_DATA,
    full: Annotated[bool, typer.Option("--full", help="Read every byte of every original, too.")] = False,
    config_file: Config = None,
) -> None:
    """Look at the database and whether every original is there; exit code 1 and a line each for what is wrong.

    It changes nothing, and may be run beside a serving packshot of the same version.
    """
    require_store(data)
    if not report(data, config.load(config_file), lambda core, heard: checks.verify(core, heard, full=full)):
        raise typer.Exit(1)


def report(folder: Path, settings: Settings, examine: Examine) -> bool:
    """Print what is found in the store, and return whether all of it is well."""
    try:
        return with_core(folder, settings, _printing(examine))
    except (DatabaseUnusable, KeyLost) as error:
        typer.echo(f"WRONG database: {error}")
        return False


def _printing(examine: Examine) -> Callable[[Core], Awaitable[bool]]:
    async def run(core: Core) -> bool:
        well = True
        async for finding in examine(core, bar(await blob_rows.count_after(core.db, 0), "blobs")):
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'} {finding.what}")
            well = well and finding.ok
        return well

    return run
