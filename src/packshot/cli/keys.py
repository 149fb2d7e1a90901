"""`packshot keys`: the pairs of keys that FinerWorks clients call with."""

import json
from typing import Annotated, get_args

import msgspec
import typer

from packshot.cli import printed
from packshot.cli.common import Account, Config, Data, of_store, one_of, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import Mode
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.setup import Seed

cli = typer.Typer(help="Pairs of keys: what FinerWorks clients call with.", no_args_is_help=True)


@cli.command(short_help="Make a pair of keys, and its account if there is none.")
def create(
    *,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    privileged: Annotated[
        bool, typer.Option("--privileged", help="Let it act for every account, by account_key.")
    ] = False,
    mode: Annotated[str, typer.Option(metavar="MODE", help="live or test; both do the same.")] = "live",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    config_file: Config = None,
) -> None:
    """Make a pair of keys and print it, this once; an account that does not exist is made first.

    A running server knows both at once.
    """
    chosen: Mode = one_of("mode", mode, get_args(Mode))
    settings = of_store(data, config_file)

    async def make(core: Core) -> tuple[Seed | None, keys.Keys]:
        return await setup.create_account(core, account), await keys.create(
            core, account, chosen, privileged=privileged
        )

    new, pair = with_core(data, settings, make)
    facts = msgspec.structs.asdict(pair)
    if new:
        facts["webhook_url"] = f"{settings.server.public_url}/rest/{new.user_id}/{new.webhook_code}/"
    typer.echo(json.dumps(facts) if as_json else "\n".join(printed.facts_of(facts)))


@cli.command("list", short_help="Print the pairs of an account.")
def list_(data: Data = DEFAULT_DATA, account: Account = setup.ACCOUNT, config_file: Config = None) -> None:
    """Print the account_key and the pairs of an account; their keys are not stored."""
    settings = of_store(data, config_file)
    account_key, pairs = with_core(data, settings, lambda core: keys.of_account(core, account))
    typer.echo(f"account_key: {account_key}")
    for pair in pairs:
        typer.echo(
            f"{pair.id} {pair.mode}{', privileged' if pair.privileged else ''}, since {printed.day(pair.created_at)}"
        )


@cli.command(short_help="Delete a pair of keys.")
def revoke(
    pair_id: Annotated[int, typer.Argument(metavar="ID", help="Its number, as the list shows it.")],
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Delete a pair of keys; within a second it is refused."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: keys.revoke(core, account, pair_id))
