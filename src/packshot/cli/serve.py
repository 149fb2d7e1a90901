"""`packshot serve` and `packshot init`."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from packshot import __version__, config, server
from packshot.cli import printed, seed_files, sockets, tls
from packshot.cli.common import Config, Data, require_writable, show_progress, stop, with_core
from packshot.cli.printed import quoted
from packshot.domain.errors import PackshotError
from packshot.emulator.recorder import EmulatorSettings
from packshot.observability import configure_logging
from packshot.services import demo as samples
from packshot.services import keys, seeds, setup
from packshot.services.core import Core
from packshot.services.samples import PRINTS
from packshot.services.seeds import Contents
from packshot.storage.migrations import on_postgresql

Host = Annotated[str, typer.Option(envvar="PACKSHOT_HOST", metavar="HOST", help="The address to listen on.")]
Port = Annotated[
    int,
    typer.Option(
        envvar="PACKSHOT_PORT", min=0, max=65535, metavar="PORT", help="The port to listen on; 0 takes a free one."
    ),
]
Demo = Annotated[
    bool, typer.Option("--demo", envvar="PACKSHOT_DEMO", help="Fill an empty store with a sample catalogue.")
]
TlsDev = Annotated[
    bool,
    typer.Option(
        "--tls-dev", envvar="PACKSHOT_TLS_DEV", help="Serve HTTPS with a throw-away authority, for development."
    ),
]
SeedFile = Annotated[
    Path | None,
    typer.Option("--seed", envvar="PACKSHOT_SEED", metavar="FILE", help="Fill an empty store from a seed file."),
]
Record = Annotated[
    bool,
    typer.Option("--record", envvar="PACKSHOT_RECORD", help="Keep the last 200 calls for `packshot requests`."),
]

DEFAULT_DATA = Path("data")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
RECORDED = 200
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


def serve(  # noqa: PLR0913, PLR0917 - typer reads the options from the parameters
    data: Data = DEFAULT_DATA,
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    demo: Demo = False,
    seed: SeedFile = None,
    tls_dev: TlsDev = False,
    record: Record = False,
    config_file: Config = None,
) -> None:
    """Run the server; on an empty data folder everything it needs is made first.

    Ctrl-C stops it once the running requests are answered, after ten seconds at most. A socket that systemd hands over
    is served on, whatever --host and --port say.
    """
    settings = config.load(config_file)
    if record and not settings.emulator.record:
        settings = msgspec.structs.replace(settings, emulator=EmulatorSettings(record=RECORDED))
    configure_logging(settings.log)
    contents = _contents(seed, demo=demo)
    require_writable(data)
    listener, host = sockets.listening(host, port)
    certificate = tls.certificate(data, host) if tls_dev else None
    base_url = settings.server.public_url or _address(host, listener.getsockname()[1], https=tls_dev)

    async def prepare(core: Core) -> None:
        typer.echo(f"packshot {__version__} on {base_url}, data in {data}")
        if host not in _THIS_MACHINE and not tls_dev and not settings.bitrix.require_https:
            typer.echo(
                "\n  Mind: this is plain HTTP on an open address, the network can read webhook codes. Put HTTPS in"
                "\n  front of it and set bitrix.require_https = true, which refuses webhooks over plain HTTP."
            )
        if tls_dev and certificate:
            typer.echo("\n  HTTPS with an authority of its own. To make clients trust it:\n")
            typer.echo("\n".join(tls.trust(certificate[0])))
        made = await setup.begin(core, settings.blobs.url or data)
        if made is None:
            account, user_id = await setup.usual(core)
            typer.echo(printed.welcome_back(base_url, data, user_id, "" if account == setup.ACCOUNT else account))
            if demo or contents:
                typer.echo("  --demo and --seed fill an empty store only; this one stays as it is. To start over:")
                again = "--demo" if seed is None else f"--seed {quoted(seed)}"
                typer.echo(f"  {printed.program()} reset --data {quoted(data)} {again}\n")
            return
        webhook_url = str(printed.addresses(base_url, made.user_id, made.webhook_code)["webhook_url"])
        typer.echo(printed.welcome(webhook_url))  # first of all: whatever happens next, the code is not lost
        pair = msgspec.structs.asdict(await keys.create(core, setup.ACCOUNT))
        typer.echo(printed.first_keys(pair) + "\n")
        filled = await _fill(core, made, contents, demo=demo)
        authority = tls.authority(certificate[0]) if certificate else None
        commands = printed.commands(webhook_url, *await setup.next_ids(core), authority, made.catalog_id)
        guids = [one.guid for one in PRINTS] if demo else []
        typer.echo(await _picture(core, made, filled, settings.delivery.base_url or base_url), nl=False)
        typer.echo(printed.examples(commands + printed.library_commands(base_url, pair, guids, authority)))

    raise typer.Exit(server.run(data, settings, server.Listening(listener, certificate), prepare))


def init(  # noqa: PLR0913, PLR0917 - typer reads the options from the parameters
    data: Data = DEFAULT_DATA,
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    demo: Demo = False,
    seed: SeedFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    config_file: Config = None,
) -> None:
    """Make what `serve` would make on an empty data folder, without serving, and print the webhook.

    HOST and PORT only tell it which address to print.
    """
    settings = config.load(config_file)
    contents = _contents(seed, demo=demo)
    require_writable(data)
    where = on_postgresql.place(settings.database.url) or data
    base_url = settings.server.public_url or _address(host, port, https=False)

    async def create(core: Core) -> dict[str, Any]:
        made = await setup.begin(core, settings.blobs.url or data)
        if made is None:
            again = f"{printed.program()} webhook create --data {quoted(data)}"
            raise stop(f"{where} holds a store already. For a new webhook: {again}")
        facts: dict[str, Any] = printed.addresses(base_url, made.user_id, made.webhook_code)
        facts |= msgspec.structs.asdict(await keys.create(core, setup.ACCOUNT))
        try:
            return facts | await _fill(core, made, contents, demo=demo)
        except PackshotError:
            typer.echo(f"Made a store without its samples; webhook address: {facts['webhook_url']}", err=True)
            raise

    facts = with_core(data, settings, create)
    typer.echo(json.dumps(facts) if as_json else f"Made a store in {where}.\nWebhook address: {facts['webhook_url']}")


def _contents(path: Path | None, *, demo: bool) -> Contents | None:
    """What the seed file says, if one is named; it is read before anything is made. Raises: InvalidRequest."""
    if path is None:
        return None
    if demo:
        raise stop("--demo and --seed exclude each other")
    return seed_files.load(path)


async def _fill(core: Core, made: setup.Seed, contents: Contents | None, *, demo: bool) -> dict[str, Any]:
    """Fill a new store as was asked; returns what a script wants to know of it."""
    if contents:
        return {"ids": await seeds.replace(core, contents)}
    return {"product_id": await samples.fill(core, made, _progress)} if demo else {}


async def _picture(core: Core, made: setup.Seed, filled: dict[str, Any], host: str) -> str:
    """Where to look at a picture of the samples, if there are any."""
    if "product_id" not in filled:
        return ""
    return printed.picture(host + await samples.rendition(core, made, filled["product_id"], "card"))


def _progress(done: int, total: int) -> None:
    show_progress(f"Drawing the sample catalogue: {done} of {total}", done=done == total)


def _address(host: str, port: int, *, https: bool) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    shown = f"[{shown}]" if ":" in shown else shown
    return f"{'https' if https else 'http'}://{shown}:{port}"
