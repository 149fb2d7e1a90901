"""`packshot trash`: what was deleted, to be looked at, taken back or given up."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from packshot import config
from packshot.cli import printed
from packshot.cli.common import Account, Config, Data, Result, owner, require_store, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import Principal
from packshot.domain.trash import Deletion
from packshot.services import restoring, setup
from packshot.services.core import Core

cli = typer.Typer(help="What was deleted: look at it, take it back, give it up.", no_args_is_help=True)

_Id = Annotated[int, typer.Argument(metavar="DELETION", help="Its number, as the list shows it.")]


def _with_caller(
    place: tuple[Account, Config, Data], method: str, use: Callable[[Core, Principal], Awaitable[Result]]
) -> Result:
    account, config_file, data = place
    require_store(data)

    async def run(core: Core) -> Result:
        return await use(core, await owner(core, account, method))

    return with_core(data, config.load(config_file), run)


@cli.command("list", short_help="Print the deletions of an account, newest first.")
def list_(
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    before: Annotated[int, typer.Option(metavar="DELETION", help="Only those before this one.")] = 2**62,
    config_file: Config = None,
) -> None:
    """Print the latest deletions of an account: number, day, how many things, by which call and by whom."""
    place = (account, config_file, data)
    for deletion in _with_caller(place, "", lambda core, caller: restoring.of_deletions(core, caller, before)):
        typer.echo(_shown(deletion))


def _shown(deletion: Deletion) -> str:
    things = "1 thing" if deletion.items == 1 else f"{deletion.items} things"
    how = f"by {deletion.method or 'the server'}, {deletion.who}"
    return f"{deletion.id} {printed.day(deletion.deleted_at)} {things} {how}"


@cli.command(short_help="Print what a deletion took.")
def show(
    deletion_id: _Id, data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None
) -> None:
    """Print what a deletion took: what it is, its guid, SKU or id, and its name."""
    place = (account, config_file, data)
    deletion, items = _with_caller(place, "", lambda core, caller: restoring.show(core, caller, deletion_id))
    typer.echo(_shown(deletion))
    for item in items:
        typer.echo(f"  {item.kind.replace('_', ' ')} {item.name} {item.title}")


@cli.command(short_help="Take back what a deletion took.")
def restore(
    deletion_id: _Id,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only what has this guid, SKU or id; may be repeated.")
    ] = None,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Take back all that a deletion took, with the ids, guids, SKUs and links it had, or nothing of it.

    An image that stood alone in its place of a product comes there again; the one that is there by now goes into the
    trash. A running server shows it at once.
    """
    place = (account, config_file, data)
    restored = _with_caller(
        place, "packshot trash restore", lambda core, caller: restoring.restore(core, caller, deletion_id, only or ())
    )
    typer.echo(f"restored: {len(restored.items)}")
    for words in restored.left_out:
        typer.echo(f"left out: {words}")


@cli.command(short_help="Give up what a deletion took.")
def purge(
    deletion_id: _Id, data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None
) -> None:
    """Give up what a deletion took, before its time; upkeep deletes the bytes that nothing else needs."""
    place = (account, config_file, data)
    _with_caller(place, "packshot trash purge", lambda core, caller: restoring.purge(core, caller, deletion_id))
