"""`packshot move`: a store brought to another database and another place for its originals, while it is served."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from packshot import config
from packshot.cli.backup import home_of
from packshot.cli.common import Config, Data, drawn, of_store, patient, show_progress, stop, with_core
from packshot.cli.printed import program, quoted
from packshot.cli.serve import DEFAULT_DATA
from packshot.services import moving
from packshot.storage import homes
from packshot.storage.homes import Home

MB = 1024 * 1024
EVERY_S = 0.1

To = Annotated[
    Path,
    typer.Option("--to", envvar="PACKSHOT_TO", metavar="FOLDER", help="The new data folder, where nothing is yet."),
]
ToDatabase = Annotated[
    str,
    typer.Option(
        envvar="PACKSHOT_TO_DATABASE_URL",
        metavar="URL",
        help="An empty database, postgresql://USER@HOST/NAME; without it, a file in the new folder.",
    ),
]
ToBlobs = Annotated[
    str,
    typer.Option(
        envvar="PACKSHOT_TO_BLOBS_URL",
        metavar="URL",
        help="An empty place, s3://BUCKET/PREFIX; without it, the new folder.",
    ),
]


def move(
    to: To,
    to_database: ToDatabase = "",
    to_blobs: ToBlobs = "",
    data: Data = DEFAULT_DATA,
    full: Annotated[bool, typer.Option("--full", help="Read all originals in the new home again, too.")] = False,
    config_file: Config = None,
) -> None:
    """Copy the store to a new home, and compare; a server may go on serving. Exit code 1: pictures are lost.

    The store is the one that `serve` would serve, with the same --data, --config and environment. Its new home is the
    folder --to, with its rows in --to-database and its originals in --to-blobs where those are named. Give addresses
    with a password by environment, where other users of the machine do not see it: PACKSHOT_TO_DATABASE_URL; PGPASSWORD
    and ~/.pgpass do as well. Run it as often as you like, a run copies what is new; then stop the server, run it once
    more, and serve the new home.
    """
    settings = of_store(data, config_file)
    source = home_of(data, settings)
    target = _target(to, to_database, to_blobs)
    is_served = asyncio.run(homes.is_served(source))
    moved = with_core(
        data, patient(settings), lambda core: moving.move(core, source, target, Progress().show, full=full)
    )
    typer.echo(
        f"The new home has the same {moved.rows} rows, {moved.images} images among them, and {moved.blobs.blobs}"
        f" originals, {moved.blobs.copied} of them copied now ({moved.blobs.copied_bytes / MB:.1f} MB)."
    )
    for words in moved.blobs.lost:
        typer.echo(f"WRONG {words}")
    is_served = is_served or asyncio.run(homes.is_served(source))  # a node may have been started meanwhile
    typer.echo(_next_step(source, target, is_last=moved.is_last and not is_served))
    if moved.blobs.lost:
        raise typer.Exit(1)


def _target(folder: Path, database_url: str, blobs_url: str) -> Home:
    """Raises: typer.Exit."""
    try:
        wanted = config.load(None, {"PACKSHOT_DATABASE_URL": database_url, "PACKSHOT_BLOBS_URL": blobs_url})
    except config.BadSetting as error:
        said = str(error).replace("database.url", "--to-database").replace("blobs.url", "--to-blobs")
        raise stop(said) from None
    return Home(folder, wanted.database.url, wanted.blobs.url)


def _next_step(source: Home, target: Home, *, is_last: bool) -> str:
    if not is_last:
        return (
            "A server or a command works with the old home, which changes. When you are ready: stop it, run the same"
            " command again, and serve the new home."
        )
    settings = {
        "PACKSHOT_DATABASE_URL": (source.database_url, target.database_url),
        "PACKSHOT_BLOBS_URL": (source.blobs_url, target.blobs_url),
    }
    wanted = " and ".join(name for name, (_, new) in settings.items() if new)
    unwanted = " and ".join(name for name, (old, new) in settings.items() if old and not new)
    return (
        f"Nobody serves the old home. Serve the new one with `{program()} serve --data {quoted(target.folder)}`"
        f"{f' and the new {wanted}' if wanted else ''}{f', but without {unwanted}' if unwanted else ''}. Ids, addresses"
        " and links stay as they are. Never serve the old home again: both would give out the same ids."
    )


class Progress:
    """A line that says how far it is: a bar, count, bytes, how many a second, and how much time is left."""

    def __init__(self) -> None:
        self._what = ""
        self._begun_s = self._shown_s = 0.0

    def show(self, what: str, done: int, total: int, size_bytes: int) -> None:
        """Write it over the one before, on a terminal; elsewhere only what is done in the end."""
        now_s = time.monotonic()
        if what != self._what or done == 1:
            self._what, self._begun_s, self._shown_s = what, now_s, 0.0
        is_done = done == total
        if not is_done and (now_s - self._shown_s < EVERY_S or not sys.stderr.isatty()):
            return
        self._shown_s = now_s
        rate = done / max(now_s - self._begun_s, 0.001)
        minutes, seconds = divmod(int((total - done) / max(rate, 0.001)), 60)
        size = f", {size_bytes / MB:.1f} MB copied" if size_bytes else ""
        left = "" if is_done else f", {minutes}:{seconds:02} left"
        show_progress(f"{drawn(done, total)} {what}{size}, {rate:.0f}/s{left}   ", done=is_done)
