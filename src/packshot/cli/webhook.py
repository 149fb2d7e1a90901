"""`packshot webhook`: the addresses that clients call with."""

from typing import Annotated

import typer

from packshot.cli.common import Account, Config, Data, of_store, scopes_of, with_core
from packshot.cli.printed import day
from packshot.cli.serve import DEFAULT_DATA
from packshot.services import access, setup
from packshot.services.core import Core

_CENTURY_S = 100 * 366 * 86_400

cli = typer.Typer(
    help="Inbound webhooks: the addresses that clients call with.",
    epilog="Start with: packshot webhook create --scopes catalog",
    no_args_is_help=True,
)


@cli.callback()
def _group() -> None:
    """Inbound webhooks: the addresses that clients call with."""


@cli.command()
def create(  # noqa: PLR0913 - one parameter for each option
    *,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    user: Annotated[
        int | None, typer.Option(metavar="ID", help="The user it acts for; the first of the account, if not given.")
    ] = None,
    scopes: Annotated[
        str, typer.Option(metavar="LIST", help="What it may be used for, separated by commas.")
    ] = "catalog,user",
    title: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    expires_in: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", min=1, max=_CENTURY_S, help="When it ends; never, if not given."),
    ] = None,
    config_file: Config = None,
) -> None:
    """Make a webhook and print its path, which is shown this once.

    A running server knows it at once.
    """
    wanted = frozenset(scopes_of(scopes))
    settings = of_store(data, config_file)

    async def make(core: Core) -> str:
        user_id = await setup.first_user(core, account) if user is None else user
        return f"{user_id}/{await access.create_webhook(core, account, user_id, wanted, expires_in, title)}"

    typer.echo(f"{settings.server.public_url}/rest/{with_core(data, settings, make)}/")


@cli.command("list")
def list_(data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None) -> None:
    """Print the webhooks of an account; their codes are not stored."""
    settings = of_store(data, config_file)
    for webhook in with_core(data, settings, lambda core: access.of_webhooks(core, account)):
        end = "" if webhook.expires_at is None else f", until {day(webhook.expires_at)}"
        title = f", {webhook.title}" if webhook.title else ""
        made = day(webhook.created_at)
        typer.echo(f"{webhook.id} of user {webhook.user_id}: {','.join(webhook.scopes)}, since {made}{end}{title}")


@cli.command(short_help="Delete a webhook.")
def revoke(
    webhook_id: Annotated[int, typer.Argument(metavar="ID", help="Its number, as `packshot webhook list` shows it.")],
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Delete a webhook; within a second it is refused, and so are the download links it gave."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: access.revoke_webhook(core, account, webhook_id))
