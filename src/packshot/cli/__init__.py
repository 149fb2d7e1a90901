"""The command `packshot`.

Exit codes: 0 done, 1 something was found wrong, 2 usage or settings, 74 the disk failed, 75 the store does not answer.
"""

import os
import sys
from typing import Annotated

import typer

from packshot import __version__
from packshot.cli import (
    account,
    application,
    audit,
    backup,
    catalog,
    doctor,
    erase,
    event,
    fault,
    image,
    keys,
    migrate,
    move,
    requests,
    reset,
    serve,
    trash,
    upkeep,
    user,
    verify,
    webhook,
)
from packshot.cli.common import EXIT_TRY_AGAIN, absent, fail
from packshot.config import BadSetting
from packshot.domain.errors import NotFound, PackshotError, Unavailable
from packshot.observability import LogSettings, configure_logging
from packshot.storage.folder import StoreUnusable
from packshot.storage.migrations.on_postgresql import ServerAway

cli = typer.Typer(
    name="packshot",
    help="A self-hosted store of product pictures that existing Bitrix24 clients can talk to.",
    epilog="Start with: packshot serve --demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command("serve", short_help="Run the server; an empty data folder is filled first.")(serve.serve)
cli.command("init", short_help="Fill an empty data folder without serving.")(serve.init)
cli.command("doctor", short_help="Check settings, database, pictures and formats.")(doctor.doctor)
cli.command("verify", short_help="Find rows and originals that are wrong.")(verify.verify)
cli.command("upkeep", short_help="Do one round of upkeep now.")(upkeep.upkeep)
cli.command("migrate", short_help="Bring the database of an older version up to date.")(migrate.migrate)
cli.command("requests", short_help="Show the last calls as they went over the wire.")(requests.requests)
cli.command("backup", short_help="Copy the store into a folder or a bucket, while it is served.")(backup.backup)
cli.command("restore", short_help="Make a store of a backup.")(backup.restore)
cli.command("move", short_help="Bring the store to another database or bucket, while it is served.")(move.move)
cli.command("audit", short_help="Show what was done to images, and by whom.")(audit.audit)
cli.command("reset", short_help="Empty the catalogs and fill them again; addresses stay.")(reset.reset)
cli.add_typer(webhook.cli, name="webhook")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(account.cli, name="account")
cli.add_typer(user.cli, name="user")
cli.add_typer(application.cli, name="app")
cli.add_typer(catalog.cli, name="catalog")
cli.add_typer(fault.cli, name="fault")
cli.add_typer(image.cli, name="image")
cli.add_typer(event.cli, name="event")
cli.add_typer(trash.cli, name="trash")
cli.add_typer(erase.cli, name="erase")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"packshot {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; foreseen failures become one clear line and exit code 2, or 75 where later it may do."""
    os.umask(0o077)  # whatever is made below is its owner's alone
    configure_logging(LogSettings(level="warning"))  # else it would stand among what scripts read
    try:
        cli()
    except NotFound as error:
        sys.exit(fail(absent(error)))
    except (ServerAway, Unavailable) as error:
        fail(str(error))
        sys.exit(EXIT_TRY_AGAIN)
    except (BadSetting, StoreUnusable, PackshotError) as error:
        sys.exit(fail(str(error)))
    except (UnicodeEncodeError, OverflowError):  # out of the command line, and nothing that a database can look for
        sys.exit(fail("there is a text that is not UTF-8, or a number that is too large"))
    except OSError as error:
        sys.exit(fail(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
