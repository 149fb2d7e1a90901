"""`packshot user`: people with logins."""

import sys
from typing import Annotated, get_args

import typer

from packshot.cli.common import Account, Config, Data, of_store, one_of, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import Role
from packshot.domain.accounts import check_password
from packshot.services import setup, users
from packshot.services.core import Core

cli = typer.Typer(
    help="Users: people with a role in an account.",
    epilog="Start with: packshot user add anna --role editor",
    no_args_is_help=True,
)

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="What they log in with.")]


@cli.command()
def add(  # noqa: PLR0913 - one parameter for each option
    login: Login,
    role: Annotated[str, typer.Option(metavar="ROLE", help="administrator, editor, viewer or none.")],
    *,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    name: Annotated[str, typer.Option(metavar="TEXT", help="The first name, as user.current shows it.")] = "",
    last_name: Annotated[str, typer.Option(metavar="TEXT", help="The last name.")] = "",
    email: Annotated[str, typer.Option(metavar="TEXT", help="The e-mail address; nothing is sent there.")] = "",
    config_file: Config = None,
) -> None:
    """Make a user; until `packshot user passwd` they cannot log in."""
    chosen: Role = one_of("role", role, get_args(Role))
    settings = of_store(data, config_file)
    person = (name, last_name, email)
    user_id = with_core(data, settings, lambda core: users.add(core, account, login, chosen, person))
    typer.echo(f"user {user_id}")


@cli.command(short_help="Give a user a new password.")
def passwd(
    login: Login,
    data: Data = DEFAULT_DATA,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from the first line of the input.")] = False,
    config_file: Config = None,
) -> None:
    """Ask for a new password twice, and end all logins with the old one."""
    settings = of_store(data, config_file)

    async def change(core: Core) -> None:
        await users.get(core, login)  # before anybody is asked for anything
        password = sys.stdin.readline().rstrip("\r\n") if stdin else _asked()
        check_password(password)
        await users.set_password(core, login, password)

    with_core(data, settings, change)


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@cli.command(short_help="Shut a user out.")
def disable(login: Login, data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Shut a user out: their logins end, and their webhooks and tokens are refused, within a second."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: users.disable(core, login))


@cli.command()
def enable(login: Login, data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Let a user in again, with their webhooks and tokens."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: users.enable(core, login))


@cli.command("list")
def list_(data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None) -> None:
    """Print the users of an account."""
    settings = of_store(data, config_file)
    for user in with_core(data, settings, lambda core: users.of_account(core, account)):
        person = " ".join(part for part in (user.name, user.last_name, user.email) if part)
        fate = ", disabled" if user.disabled_at is not None else ""
        typer.echo(f"{user.id} {user.login or '(no login)'}: {user.role}{fate}{', ' + person if person else ''}")
