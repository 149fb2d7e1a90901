"""`packshot reset`: a store as it was at the beginning, for the same addresses."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from packshot import config
from packshot.cli import seed_files
from packshot.cli.common import Config, Data, of_store, stop, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.services import calls, seeds
from packshot.services.core import Core
from packshot.services.seeds import Contents, Drawn, Ids


def reset(
    data: Data = DEFAULT_DATA,
    demo: Annotated[bool, typer.Option("--demo", help="Fill it with the sample catalogue.")] = False,
    seed: Annotated[Path | None, typer.Option("--seed", metavar="FILE", help="Fill it from a seed file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config_file: Config = None,
) -> None:
    """Empty the catalogs of a store and fill them again, with ids from 1; a server may run beside.

    Without --demo and --seed two empty catalogs are left. Accounts, users, webhooks and applications stay.
    """
    if demo and seed:
        raise stop("--demo and --seed exclude each other")
    of_store(data, config_file)
    contents = seed_files.load(seed) if seed else Contents()
    if not yes:
        _ask(data)
    bring_back(data, config_file, contents, demo=demo)
    now = "the sample catalogue" if demo else f"what {seed} describes" if seed else "two empty catalogs"
    typer.echo(f"The store in {data} holds {now}.")


def bring_back(
    data: Path, config_file: Path | None, contents: Contents, *, demo: bool, drawn: Drawn | None = None
) -> Ids:
    """Do it, without a question, and return the ids of what was made. Raises: PackshotError."""

    async def replace(core: Core) -> Ids:
        calls.begin(core, "packshot reset")
        return await (seeds.replace_with_samples(core, drawn) if demo else seeds.replace(core, contents, drawn))

    return with_core(data, config.load(config_file), replace)


def _ask(data: Path) -> None:
    if not sys.stdin.isatty():
        raise stop(f"everything in the catalogs of {data} would go: say --yes where nobody can be asked")
    typer.confirm(f"Everything in the catalogs of {data} goes, products and pictures. Go on?", abort=True)
