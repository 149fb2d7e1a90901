"""`packshot doctor`: is everything as it should be?"""

from typing import Annotated
from uuid import uuid4

import httpx
import typer

from packshot.cli.common import Config, Data, of_store
from packshot.cli.serve import DEFAULT_DATA
from packshot.cli.verify import report
from packshot.protocols.finerworks.routes import RECEIVED
from packshot.services import doctor as checks

ANSWER_S = 10.0


def doctor(
    data: Data = DEFAULT_DATA,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Ask the server at this address whether a proxy drops headers.")
    ] = "",
    config_file: Config = None,
) -> None:
    """Check settings, database, pictures and formats; exit code 1 if something is wrong.

    It changes no picture and no product, and may be run beside a serving packshot of the same version.
    """
    settings = of_store(data, config_file)
    typer.echo("ok    settings: every value fits")
    if settings.server.public_url and not settings.bitrix.require_https:
        typer.echo("mind  settings: webhooks are taken over plain HTTP; bitrix.require_https = true refuses them")
    well = report(data, settings, checks.examine)
    if url:
        well = _keys_arrive(url.rstrip("/")) and well
    if not well:
        raise typer.Exit(1)


def _keys_arrive(url: str) -> bool:
    """Whether header names with underscores reach the server behind that address."""
    probe = {"web_api_key": str(uuid4()), "app_key": str(uuid4())}
    try:
        answer = httpx.get(f"{url}/v3/test_my_credentials", headers=probe, timeout=ANSWER_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        typer.echo(f"WRONG keys: {url} does not answer: {error}")
        return False
    received = answer.headers.get(RECEIVED.decode())
    if received == ", ".join(probe):
        typer.echo(f"ok    keys: web_api_key and app_key reach the server at {url}")
        return True
    if received is None:
        typer.echo(f"WRONG keys: {url}/v3/ answers {answer.status_code}, but not as Packshot does")
    else:
        typer.echo(
            f"WRONG keys: something before the server at {url} drops header names with underscores, which"
            " FinerWorks clients send; in nginx, `underscores_in_headers on;` keeps them"
        )
    return False
