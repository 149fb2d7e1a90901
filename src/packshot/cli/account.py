"""`packshot account`: tenants, whether they may be called, and how much they may hold."""

from typing import Annotated, get_args

import typer

from packshot.cli.common import Config, Data, of_store, one_of, stop, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import AccountState
from packshot.services import accounts, setup

cli = typer.Typer(
    help="Accounts: stores of their own in one data folder.",
    epilog="Start with: packshot account create second",
    no_args_is_help=True,
)

_MAX_DIGITS = 18
"""Up to an exabyte; the database holds no more than 19 digits, and not all of those."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]


@cli.command(short_help="Make an account and print its webhook.")
def create(name: Name, data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Make an account with an administrator, two catalogs and a webhook, and print the webhook's path, this once."""
    settings = of_store(data, config_file)
    seed = with_core(data, settings, lambda core: setup.create_account(core, name))
    if seed is None:
        raise stop(f"there is an account {name} already")
    typer.echo(f"{settings.server.public_url}/rest/{seed.user_id}/{seed.webhook_code}/")


@cli.command("list")
def list_(data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Print every account with its state and quota."""
    settings = of_store(data, config_file)
    for account in with_core(data, settings, accounts.of_accounts):
        quota = "no quota" if account.quota_bytes is None else f"quota {account.quota_bytes} bytes"
        typer.echo(f"{account.id} {account.name}: {account.state}, {quota}, member_id {account.member_id}")


@cli.command(short_help="Let an account be called, or refuse it.")
def state(
    name: Name,
    wanted: Annotated[str, typer.Argument(metavar="STATE", help="normal, blocked, no_plan or closed.")],
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Let an account be called, or refuse every call of it; a running server follows within a second."""
    chosen: AccountState = one_of("state", wanted, get_args(AccountState))
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: accounts.set_state(core, name, chosen))


@cli.command(short_help="Limit the bytes of its pictures.")
def quota(
    name: Name,
    limit: Annotated[str, typer.Argument(metavar="BYTES", help="A number of bytes, or none.")],
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Limit the bytes that the pictures of an account may have together; equal pictures count once."""
    if limit != "none" and not (limit.isascii() and limit.isdigit() and len(limit) <= _MAX_DIGITS):
        raise stop(f"{limit} is no number of bytes, nor none")
    wanted = None if limit == "none" else int(limit)
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: accounts.set_quota(core, name, wanted))
