"""`packshot serve` and `packshot init`."""

import errno
import json
from pathlib import Path
from typing import Annotated

import typer

from packshot import __version__, config, server
from packshot.cli import printed, tls
from packshot.cli.common import Config, Data, require_writable, show_progress, stop, with_core
from packshot.cli.printed import quoted
from packshot.domain.errors import PackshotError
from packshot.observability import configure_logging
from packshot.services import setup
from packshot.services.core import Core

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

DEFAULT_DATA = Path("data")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


def serve(
    data: Data = DEFAULT_DATA,
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    demo: Demo = False,
    tls_dev: TlsDev = False,
    config_file: Config = None,
) -> None:
    """Run the server; on an empty data folder everything it needs is made first.

    Ctrl-C stops it once the running requests are answered, after ten seconds at most.
    """
    settings = config.load(config_file)
    configure_logging(settings.log)
    require_writable(data)
    try:
        listener = server.listen(host, port)
    except OSError as error:
        hint = ". Another --port may be free" if error.errno == errno.EADDRINUSE else ""
        raise stop(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None
    certificate = tls.certificate(data, host) if tls_dev else None
    base_url = settings.server.public_url or _address(host, listener.getsockname()[1], https=tls_dev)

    async def prepare(core: Core) -> None:
        typer.echo(f"packshot {__version__} on {base_url}, data in {data}")
        if base_url.startswith("http://") and host not in _THIS_MACHINE:
            typer.echo("\n  Mind: this is plain HTTP on an open address; the network can read the webhook's code.")
        if tls_dev and certificate:
            typer.echo("\n  HTTPS with an authority of its own. To make clients trust it:\n")
            typer.echo("\n".join(tls.trust(certificate[0])))
        seed = await setup.create_account(core)
        if seed is None:
            typer.echo(printed.welcome_back(base_url, data))
            if demo:
                typer.echo("  --demo fills an empty store only; this one stays as it is. Name another with --data.\n")
            return
        webhook_url = str(printed.addresses(base_url, seed.user_id, seed.webhook_code)["webhook_url"])
        typer.echo(printed.welcome(webhook_url))  # first of all: whatever happens next, the code is not lost
        if demo:
            await _fill(core, seed)
        authority = tls.authority(certificate[0]) if certificate else None
        typer.echo(printed.examples(webhook_url, *await setup.next_ids(core), authority))

    raise typer.Exit(server.run(data, settings, server.Listening(listener, certificate), prepare))


def init(
    data: Data = DEFAULT_DATA,
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    demo: Demo = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    config_file: Config = None,
) -> None:
    """Make what `serve` would make on an empty data folder, without serving, and print the webhook.

    HOST and PORT only tell it which address to print.
    """
    settings = config.load(config_file)
    require_writable(data)
    base_url = settings.server.public_url or _address(host, port, https=False)

    async def create(core: Core) -> dict[str, str | int]:
        seed = await setup.create_account(core)
        if seed is None:
            again = f"{printed.program()} webhook create --data {quoted(data)}"
            raise stop(f"{data} holds a store already. For a new webhook: {again}")
        facts = printed.addresses(base_url, seed.user_id, seed.webhook_code)
        try:
            return facts | ({"product_id": await _fill(core, seed)} if demo else {})
        except PackshotError:
            typer.echo(f"Made a store without its samples; webhook address: {facts['webhook_url']}", err=True)
            raise

    facts = with_core(data, settings, create)
    typer.echo(json.dumps(facts) if as_json else f"Made a store in {data}.\nWebhook address: {facts['webhook_url']}")


async def _fill(core: Core, seed: setup.Seed) -> int:
    from packshot.services import demo

    return await demo.fill(core, seed, _progress)


def _progress(done: int, total: int) -> None:
    show_progress(f"Drawing the sample catalogue: {done} of {total}", done=done == total)


def _address(host: str, port: int, *, https: bool) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    shown = f"[{shown}]" if ":" in shown else shown
    return f"{'https' if https else 'http'}://{shown}:{port}"
