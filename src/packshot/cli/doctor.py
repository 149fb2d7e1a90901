"""`packshot doctor`: is everything as it should be?"""

import typer

from packshot import config
from packshot.cli.common import Config, Data, require_store, show_progress, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.services import doctor as checks
from packshot.services.core import Core
from packshot.storage.folder import KeyLost
from packshot.storage.migrations import DatabaseUnusable


def doctor(data: Data = DEFAULT_DATA, config_file: Config = None) -> None:
    """Check settings, database, pictures and formats; exit code 1 if something is wrong.

    It changes no picture and no product, and may be run beside a serving packshot of the same version.
    """
    settings = config.load(config_file)
    typer.echo("ok    settings: every value fits")
    if settings.server.public_url and not settings.bitrix.require_https:
        typer.echo("mind  settings: webhooks are taken over plain HTTP; bitrix.require_https = true refuses them")
    require_store(data)
    try:
        well = with_core(data, settings, _examine)
    except (DatabaseUnusable, KeyLost) as error:
        typer.echo(f"WRONG database: {error}")
        well = False
    if not well:
        raise typer.Exit(1)


async def _examine(core: Core) -> bool:
    well = True
    async for finding in checks.examine(core, _progress):
        typer.echo(f"{'ok   ' if finding.ok else 'WRONG'} {finding.what}")
        well = well and finding.ok
    return well


def _progress(blobs: int) -> None:
    if blobs >= checks.BATCH * 10:
        show_progress(f"{blobs} blobs")
