"""`packshot trash`: what was deleted, to be looked at, taken back or given up."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from packshot.cli import printed
from packshot.cli.common import Account, Config, Data, Result, of_store, owner, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import Principal
from packshot.domain.trash import Deletion
from packshot.services import restoring, setup
from packshot.services.core import Core
from packshot.services.restoring import NEWEST, PAGE, Restored

cli = typer.Typer(help="What was deleted: look at it, take it back, give it up.", no_args_is_help=True)

_Id = Annotated[int, typer.Argument(metavar="DELETION", help="Its number, as the list shows it.")]


def _with_caller(
    place: tuple[Account, Config, Data], method: str, use: Callable[[Core, Principal], Awaitable[Result]]
) -> Result:
    account, config_file, data = place
    settings = of_store(data, config_file)

    async def run(core: Core) -> Result:
        return await use(core, await owner(core, account, method))

    return with_core(data, settings, run)


@cli.command("list", short_help="Print the deletions of an account, newest first.")
def list_(
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    before: Annotated[int, typer.Option(metavar="DELETION", help="Only those before this one.")] = NEWEST,
    config_file: Config = None,
) -> None:
    """Print the latest deletions of an account: number, day, how many things, by which call and by whom."""
    place = (account, config_file, data)
    found = _with_caller(place, "", lambda core, caller: restoring.of_deletions(core, caller, before))
    for deletion in found:
        typer.echo(_shown(deletion))
    if len(found) == PAGE:
        typer.echo(f"{PAGE} deletions are shown: for older ones add --before {found[-1].id}", err=True)
    elif not found:
        typer.echo("there is no deletion" + ("" if before == NEWEST else f" before {before}"), err=True)


def _shown(deletion: Deletion) -> str:
    things = "1 thing" if deletion.items == 1 else f"{deletion.items} things"
    how = f"by {deletion.method or 'the server'}, {deletion.who}"
    return printed.visible(f"{deletion.id} {printed.day(deletion.deleted_at)} {things} {how}")


@cli.command(short_help="Print what a deletion took.")
def show(
    deletion_id: _Id, data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None
) -> None:
    """Print what a deletion took: what it is, its guid, SKU or id, and its name."""
    place = (account, config_file, data)
    deletion, items = _with_caller(place, "", lambda core, caller: restoring.show(core, caller, deletion_id))
    typer.echo(_shown(deletion))
    for item in items:
        typer.echo(printed.visible(f"  {item.kind.replace('_', ' ')} {item.name} {item.title}"))


@cli.command(short_help="Take back what a deletion took.")
def restore(
    deletion_id: _Id,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only what has this guid, SKU or id; may be repeated.")
    ] = None,
    without_product: Annotated[
        bool, typer.Option("--without-product", help="Images of products that are gone come into the library alone.")
    ] = False,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Take back all that a deletion took, with the ids, guids, SKUs and links it had, or nothing of it.

    An image that stood alone in its place of a product comes there again; the one that is there by now goes into the
    trash. A running server shows it at once.
    """
    place = (account, config_file, data)

    def run(core: Core, caller: Principal) -> Awaitable[Restored]:
        return restoring.restore(core, caller, deletion_id, only or (), alone=without_product)

    restored = _with_caller(place, "packshot trash restore", run)
    typer.echo(f"restored: {len(restored.items)}")
    for words in restored.left_out:
        typer.echo(printed.visible(f"left out: {words}"))


@cli.command(short_help="Give up what a deletion took.")
def purge(
    deletion_id: _Id, data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None
) -> None:
    """Give up what a deletion took, before its time; upkeep deletes the bytes that nothing else needs."""
    place = (account, config_file, data)
    _with_caller(place, "packshot trash purge", lambda core, caller: restoring.purge(core, caller, deletion_id))
