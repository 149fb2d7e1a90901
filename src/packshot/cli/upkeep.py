"""`packshot upkeep`: one round of it, now."""

from typing import Annotated

import msgspec
import typer

from packshot.cli.common import Config, Data, bar, of_store, with_core
from packshot.cli.printed import program
from packshot.cli.serve import DEFAULT_DATA
from packshot.observability import configure_logging
from packshot.services import scrub
from packshot.services import upkeep as rounds
from packshot.services.core import Core
from packshot.storage import blob_rows


def upkeep(
    data: Data = DEFAULT_DATA,
    scrub_too: Annotated[
        bool, typer.Option("--scrub", help="Also read every original again, as fast as it goes.")
    ] = False,
    config_file: Config = None,
) -> None:
    """Do one round of upkeep and print what it did; exit code 1 if originals are missing or damaged in the end.

    It does what a server does by itself every `upkeep.every_s` seconds, and may be run beside one.
    """
    settings = of_store(data, config_file)
    configure_logging(settings.log)

    async def run(core: Core) -> int:
        _print(await rounds.run_once(core))
        if scrub_too:
            _print(await scrub.run_once(core, bar(await blob_rows.count_after(core.db, 0), "originals")))
        return await scrub.count_corrupt(core)

    corrupt = with_core(data, settings, run)
    if corrupt:
        typer.echo(f"WRONG missing or damaged: {corrupt}; `{program()} verify` names them")
        raise typer.Exit(1)


def _print(done: msgspec.Struct) -> None:
    for name, count in msgspec.structs.asdict(done).items():
        typer.echo(f"{name.replace('_', ' ')}: {count}")
