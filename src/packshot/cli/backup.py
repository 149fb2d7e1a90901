"""`packshot backup` and `packshot restore`: a store copied while it is served, and brought back."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from packshot import config
from packshot.cli.common import Config, Data, of_store, show_progress, with_core
from packshot.cli.printed import program, quoted
from packshot.cli.serve import DEFAULT_DATA
from packshot.config import Settings
from packshot.services import backup as backups
from packshot.services.copies import Copied
from packshot.storage.folder import KEY_FILE
from packshot.storage.homes import Home

MB = 1024 * 1024

Target = Annotated[str, typer.Argument(metavar="TARGET", help="The folder of backups, or s3://BUCKET/PREFIX.")]


def backup(
    target: Target,
    keep: Annotated[int | None, typer.Option(metavar="N", min=1, help="Remove all snapshots but the newest N.")] = None,
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Add a snapshot of the store to those in TARGET; a server may go on serving. Exit code 1: pictures are lost.

    Only pictures that are not there yet are copied. Backups hold the store's secrets.
    """
    settings = of_store(data, config_file)
    home = home_of(data, settings)
    made = with_core(data, settings, lambda core: backups.back_up(core, home, target, keep, _progress))
    typer.echo(
        f"Snapshot {made.snapshot} in {target}: {made.counts['image']} images, {made.blobs.blobs} blobs,"
        f" {made.blobs.copied} of them copied ({made.blobs.copied_bytes / MB:.1f} MB)."
    )
    if keep:
        typer.echo(f"Removed {made.snapshots_removed} snapshots, and {made.blobs_removed} blobs that none needs.")
    _tell_lost(made.blobs)


def restore(
    target: Target,
    data: Data = DEFAULT_DATA,
    snapshot: Annotated[str | None, typer.Option(metavar="TIME", help="This snapshot, not the newest one.")] = None,
    despite_damage: Annotated[
        bool, typer.Option("--despite-damage", help="Where pictures are lost, restore all others.")
    ] = False,
    config_file: Config = None,
) -> None:
    """Make a store of a snapshot, in an empty data folder; pictures are checked. Exit code 1: pictures are lost.

    Where the settings name a database, which has to be empty, or a place for originals, these are filled; pictures that
    are in that place already are taken by their size: `verify --full` reads them. Ids go on a million higher: none is
    used again that was handed out after the snapshot was taken.
    """
    home = home_of(data, config.load(config_file))
    restoring = backups.restore(
        target, home, snapshot, time.time_ns() // 1_000, _progress, despite_damage=despite_damage
    )
    done = asyncio.run(restoring)
    typer.echo(
        f"Restored snapshot {done.snapshot} into {data}: {done.blobs.blobs} blobs, restore epoch {done.epoch}."
        f" Serve it with `{program()} serve --data {quoted(data)}`"
    )
    if home.key_file and not home.key.exists():
        typer.echo(f"mind  its key is {data / KEY_FILE}: copy it to {home.key}, where keys.file looks for it")
    if done.lost_before:
        typer.echo(f"mind  {done.lost_before} blobs were lost already when it was taken")
    _tell_lost(done.blobs)


def home_of(folder: Path, settings: Settings) -> Home:
    """Where the store is that these settings serve from that folder."""
    return Home(folder, settings.database.url, settings.blobs.url, settings.keys.file)


def _tell_lost(blobs: Copied) -> None:
    for words in blobs.lost:
        typer.echo(f"WRONG {words}: upload the picture again")
    if blobs.lost:
        raise typer.Exit(1)


def _progress(what: str, done: int, total: int) -> None:
    show_progress(f"{done} of {total} {what}", done=done == total)
