"""`packshot catalog`: where products live, and the sections and properties they may have there."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from packshot.cli.common import Config, Data, Result, of_store, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.catalogs import Property, PropertyType, Section, code_for
from packshot.services import catalogs, setup
from packshot.services.access import account_called
from packshot.services.core import Core

_HELP = "Catalogs with their sections and properties."

Account = Annotated[str, typer.Option(metavar="NAME", help="Whose store it is in.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What people read.")]
CatalogId = Annotated[int, typer.Option(metavar="ID", help="The catalog it belongs to.")]

cli = typer.Typer(help=_HELP, epilog="Start with: packshot catalog section Mugs --catalog 1", no_args_is_help=True)


@cli.callback()
def _group() -> None:
    pass


@cli.command("list", short_help="Print the catalogs.")
def list_(data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None) -> None:
    """Print the catalogs, one on a line: the id, the name, and whose variations it holds."""
    for catalog in _use(data, account, config_file, catalogs.of_account):
        variations = f"  (variations of {catalog.parent_catalog_id})" if catalog.parent_catalog_id else ""
        typer.echo(f"{catalog.id}  {catalog.name}{variations}")


@cli.command()
def add(
    name: Name,
    variations_of: Annotated[
        int | None, typer.Option(metavar="ID", help="The catalog whose products have their variations here.")
    ] = None,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Make a catalog and print its id."""
    typer.echo(_use(data, account, config_file, lambda core, of: catalogs.add(core, of, name, variations_of)))


@cli.command()
def section(  # noqa: PLR0913, PLR0917 - a parameter is an option of the command
    name: Name,
    catalog: CatalogId,
    parent: Annotated[int | None, typer.Option(metavar="ID", help="The section it lies in.")] = None,
    code: Annotated[str, typer.Option(metavar="CODE", help="Its code, one of a kind in the catalog.")] = "",
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Make a section of a catalog and print its id."""
    new = Section(catalog, name, parent, code)
    typer.echo(_use(data, account, config_file, lambda core, of: catalogs.add_section(core, of, new)))


@cli.command("property", short_help="Make a property of a catalog and print its id.")
def property_(  # noqa: PLR0913, PLR0917 - a parameter is an option of the command
    name: Name,
    catalog: CatalogId,
    kind: Annotated[
        PropertyType,
        typer.Option("--type", help="S text, N number, L list, F file, E link to a product, G link to a section."),
    ] = "S",
    code: Annotated[str, typer.Option(metavar="CODE", help="Its code; from the name, if not given.")] = "",
    multiple: Annotated[bool, typer.Option("--multiple", help="A product may have several values.")] = False,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Make a property of a catalog and print its id N, by which it is called propertyN."""
    new = Property(code or code_for(name), name, kind, multiple)
    typer.echo(_use(data, account, config_file, lambda core, of: catalogs.add_property(core, of, catalog, new)))


def _use(data: Path, account: str, config_file: Path | None, use: Callable[[Core, int], Awaitable[Result]]) -> Result:
    """What *use* makes of the store and the account's id."""
    settings = of_store(data, config_file)

    async def run(core: Core) -> Result:
        return await use(core, await account_called(core, account))

    return with_core(data, settings, run)
