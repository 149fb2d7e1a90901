"""`packshot app`: applications that people let act for them."""

from typing import Annotated

import typer

from packshot.cli.common import Account, Config, Data, of_store, scopes_of, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.accounts import Application
from packshot.services import applications, setup

cli = typer.Typer(
    help="Applications: what asks people for their consent (OAuth).",
    epilog="Start with: packshot app create Prices --redirect-uri https://app.example/callback",
    no_args_is_help=True,
)

ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="The application's id.")]


@cli.command(short_help="Register an application.")
def create(  # noqa: PLR0913 - one parameter for each option
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people are shown.")],
    redirect_uri: Annotated[str, typer.Option(metavar="URL", help="Where people are sent back to.")],
    *,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    scopes: Annotated[
        str, typer.Option(metavar="LIST", help="What it may be used for, separated by commas.")
    ] = "catalog,user",
    handler: Annotated[str | None, typer.Option(metavar="URL", help="Its own address, told by ONAPPINSTALL.")] = None,
    user: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="Who may use it; everybody, if not given. May be repeated.")
    ] = None,
    config_file: Config = None,
) -> None:
    """Register an application and print its secrets, which are shown this once."""
    wanted = Application(0, 0, "", name, redirect_uri, scopes_of(scopes), handler, tuple(sorted(set(user or ()))))
    settings = of_store(data, config_file)
    made = with_core(data, settings, lambda core: applications.create(core, account, wanted))
    typer.echo(f"client_id: {made.application.client_id}")
    typer.echo(f"client_secret: {made.secret}")
    typer.echo(f"application_token: {made.application_token}")


@cli.command("list")
def list_(data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None) -> None:
    """Print the applications of an account."""
    settings = of_store(data, config_file)
    for app in with_core(data, settings, lambda core: applications.of_account(core, account)):
        users = f"users {', '.join(map(str, app.members))}" if app.members else "everybody"
        typer.echo(f"{app.client_id} {app.name}: {','.join(app.scopes)}, {users}, {app.redirect_uri}")


@cli.command(short_help="Say who may use an application.")
def users(
    client_id: ClientId,
    user: Annotated[list[int] | None, typer.Argument(metavar="ID", help="The users; everybody, if none.")] = None,
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Let only these users use an application; a running server follows within a second."""
    wanted = tuple(sorted(set(user or ())))
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: applications.set_users(core, client_id, wanted))


@cli.command(short_help="Delete an application with its tokens.")
def delete(client_id: ClientId, data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Delete an application with all its tokens; within a second they are refused."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: applications.delete(core, client_id))
