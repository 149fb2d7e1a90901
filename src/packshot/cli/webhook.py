"""`packshot webhook`: the addresses that clients call with."""

from typing import Annotated

import typer

from packshot import config
from packshot.cli.common import Config, Data, require_store, stop, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.services import access, setup

cli = typer.Typer(help="Inbound webhooks: the addresses that clients call with.", no_args_is_help=True)


@cli.callback()
def _group() -> None:
    """Inbound webhooks: the addresses that clients call with."""


@cli.command()
def create(
    data: Data = DEFAULT_DATA,
    account: Annotated[str, typer.Option(metavar="NAME", help="Whose store it opens.")] = setup.ACCOUNT,
    user: Annotated[int, typer.Option(metavar="ID", help="The user it acts for.")] = 1,
    scopes: Annotated[
        str, typer.Option(metavar="LIST", help="What it may be used for, separated by commas.")
    ] = "catalog,user",
    expires_in: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=1, help="When it ends; never, if not given.")
    ] = None,
    config_file: Config = None,
) -> None:
    """Make a webhook and print its path, which is shown this once.

    A running server knows it at once.
    """
    wanted = frozenset(scope.strip() for scope in scopes.split(",") if scope.strip())
    if unknown := wanted - setup.SCOPES:
        raise stop(f"unknown scope {', '.join(sorted(unknown))}: there are {', '.join(sorted(setup.SCOPES))}")
    require_store(data)
    settings = config.load(config_file)
    code = with_core(data, settings, lambda core: access.create_webhook(core, account, user, wanted, expires_in))
    typer.echo(f"{settings.server.public_url}/rest/{user}/{code}/")
