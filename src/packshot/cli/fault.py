"""`packshot fault`: what goes wrong on purpose, for clients to be tested against."""

from typing import Annotated

import typer

from packshot.cli.common import Config, Data, of_store, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.emulator import faults

_HELP = "Calls that are slow, fail or lose their answer."

cli = typer.Typer(help=_HELP, epilog="Start with: packshot fault add 503 every 3", no_args_is_help=True)


@cli.callback()
def _group() -> None:
    pass


@cli.command(short_help="Let something go wrong.")
def add(
    rule: Annotated[list[str], typer.Argument(metavar="RULE", help="As one text or as several words.")],
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Let something go wrong: `slow 2`, `503 every 3` or `drop after commit`, each perhaps `on METHOD`.

    A running server follows within a second. METHOD may end with `*`.
    """
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: faults.add(core, " ".join(rule)))


@cli.command("list", short_help="Print the rules that were added.")
def list_(data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Print the rules that were added, one on a line; those of the settings are not among them."""
    settings = of_store(data, config_file)
    for rule in with_core(data, settings, faults.listed):
        typer.echo(rule)


@cli.command(short_help="Remove the rules that were added.")
def clear(data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Remove all rules that were added; those of the settings stay."""
    settings = of_store(data, config_file)
    with_core(data, settings, faults.clear)
