"""`packshot event`: who is told of changes, and what waits to be told."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from packshot.cli.common import Config, Data, of_store, one_of, stop, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.errors import InvalidValue
from packshot.domain.events import EVENTS, TEST
from packshot.services import handlers, setup
from packshot.services.core import Core

SHOWN = 100
TOLD = [name for name in EVENTS if name != TEST]

cli = typer.Typer(help="Events: who is told of changes, and what waits.", no_args_is_help=True)
hook = typer.Typer(
    help="Outgoing webhooks: addresses that changes are sent to.",
    epilog="Start with: packshot event hook add https://shop.example/told --event CATALOG.PRODUCT.ON.UPDATE",
    no_args_is_help=True,
)
cli.add_typer(hook, name="hook")

HookId = Annotated[int, typer.Argument(metavar="ID", help="Its number, as `packshot event hook list` shows it.")]
EventId = Annotated[int, typer.Argument(metavar="ID", help="Its number, as `packshot event pending` shows it.")]
PRIVATE = "which the DNS has to know. To send to a laptop set PACKSHOT_OUTBOUND_ALLOW_PRIVATE=true, for the server too"


@hook.command(short_help="Make an outgoing webhook.")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address that events are sent to.")],
    event: Annotated[
        list[str], typer.Option(metavar="NAME", help=f"What is sent: {', '.join(TOLD)}. May be repeated.")
    ],
    data: Data = DEFAULT_DATA,
    account: Annotated[str, typer.Option(metavar="NAME", help="Whose changes are sent.")] = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Make an outgoing webhook and print its two secrets, which are shown this once."""
    wanted = [one_of("event", name.upper(), TOLD) for name in event]
    settings = of_store(data, config_file)
    try:
        made = with_core(data, settings, lambda core: handlers.add_webhook(core, account, url, wanted))
    except InvalidValue as error:
        raise stop(f"{error}, {PRIVATE}") from None
    typer.echo(f"outgoing webhook {made.id}")
    typer.echo(f"application_token: {made.application_token}")
    typer.echo(f"HMAC secret: {made.secret}")


@hook.command("list")
def list_(data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Print every outgoing webhook with its account, address and events."""
    settings = of_store(data, config_file)
    for number, account, url, events, paused_at in with_core(data, settings, handlers.of_webhooks):
        paused = f", paused since {_time(paused_at)}" if paused_at else ""
        typer.echo(f"{number} {account} {url} {events}{paused}")


@hook.command()
def delete(hook_id: HookId, data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Delete an outgoing webhook with what waits for it."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: handlers.remove_webhook(core, hook_id))
    typer.echo(f"outgoing webhook {hook_id} is deleted")


@cli.command(short_help="Print what waits or was given up.")
def pending(
    data: Data = DEFAULT_DATA,
    after: Annotated[int, typer.Option(metavar="ID", min=0, help="Leave out events up to this number.")] = 0,
    config_file: Config = None,
) -> None:
    """Print what waits to be sent or was given up, oldest first: since when, how often tried, the last error."""
    settings = of_store(data, config_file)

    async def show(core: Core) -> None:
        rows = await handlers.of_undelivered(core, after, SHOWN + 1)
        for row in rows[:SHOWN]:
            typer.echo(_line(core, row))
        if len(rows) > SHOWN:
            typer.echo(f"and more: --after {rows[SHOWN - 1][0]}")

    with_core(data, settings, show)


@cli.command(short_help="Send an event now.")
def retry(event_id: EventId, data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Send an event now, also one that was given up; a running server does so within a second."""
    settings = of_store(data, config_file)
    with_core(data, settings, lambda core: handlers.retry(core, event_id))
    typer.echo(f"event {event_id} is due")


def _line(core: Core, row: tuple[Any, ...]) -> str:
    number, event, product_id, state, overtaken, attempts, created_at, next_at, error, url = row
    if state == "failed":
        fate = "given up"
    elif next_at is None:
        fate = f"behind an earlier one of its {'product' if product_id > 0 else 'image'}"
    else:
        fate = f"next at {_time(next_at)}" + (", overtaken" if overtaken else "")
    age_s = (core.now() - created_at) // 1_000_000
    why = f": {error}" if error else ""
    about = f" product {product_id}" if product_id > 0 else f" image {-product_id}" if product_id else ""
    return f"{number} {event}{about} to {url}, {age_s} s old, {attempts} attempts, {fate}{why}"


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
