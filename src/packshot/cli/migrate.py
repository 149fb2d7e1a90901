"""`packshot migrate`: the database of an older version, tried on a copy or brought up to date."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from packshot.cli.common import Config, Data, of_store, stop
from packshot.cli.serve import DEFAULT_DATA
from packshot.storage import migrations
from packshot.storage.folder import DATABASE, FolderInUse, Lock
from packshot.storage.migrations import Rehearsal, on_postgresql

MB = 1024 * 1024


def migrate(
    data: Data = DEFAULT_DATA,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it on a copy, and change nothing.")] = False,
    place: Annotated[
        Path | None, typer.Option("--in", metavar="FOLDER", help="Where the dry run's copy goes, not beside it.")
    ] = None,
    no_copy: Annotated[bool, typer.Option("--no-copy", help="Keep no copy: there is another backup.")] = False,
    config_file: Config = None,
) -> None:
    """Bring the database of an older version up to date, as `packshot serve` does; a copy of it is kept beside it.

    The dry run may be done while the older version is serving. In PostgreSQL so may the rest: no copy is made there,
    and the dry run tries the steps on empty tables.
    """
    if url := of_store(data, config_file).database.url:
        _in_postgresql(url, dry_run=dry_run)
        return
    path = data / DATABASE
    if dry_run:
        rehearsal = migrations.rehearse(path, place or data)
        typer.echo(_shown(rehearsal) if rehearsal else "Nothing to do.")
        return
    try:
        lock = Lock(data)
    except FolderInUse:
        raise stop(f"a packshot server is using {data}: stop it first. The next one does this when it starts") from None
    upgraded = migrations.upgrade(path, copied=not no_copy)
    if not lock.was_unclean:  # otherwise the next server has still to look at what the last one left
        lock.release()
    typer.echo(f"{upgraded}." if upgraded else "Nothing to do.")


def _in_postgresql(url: str, *, dry_run: bool) -> None:
    if not dry_run:
        upgraded = asyncio.run(on_postgresql.upgrade(url))
        typer.echo(f"{upgraded}." if upgraded else "Nothing to do.")
        return
    trial = asyncio.run(on_postgresql.rehearse(url))
    if not trial:
        typer.echo("Nothing to do.")
        return
    steps = ", ".join(trial.lacking)
    typer.echo(f"The server takes what is to be done: {steps}. The database has {trial.size_bytes / MB:.1f} MB.")
    typer.echo("Nothing was changed.")


def _shown(rehearsal: Rehearsal) -> str:
    lines = [f"{step.took_s:8.2f} s  {step.name}" for step in rehearsal.applied]
    before, after, room = (size / MB for size in (rehearsal.size_bytes, rehearsal.becomes_bytes, rehearsal.room_bytes))
    lines += [f"The database would have {after:.1f} MB instead of {before:.1f} MB, and be whole. Nothing was changed."]
    return "\n".join([*lines, f"To do it takes {room:.1f} MB of room; a copy of it as it is now is counted in."])
