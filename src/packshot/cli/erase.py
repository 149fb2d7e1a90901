"""`packshot erase`: what must really go, at once and for good."""

import re
import shlex
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from packshot.cli.common import Account, Config, Data, fail, of_store, owner, stop, with_core
from packshot.cli.printed import program, quoted, visible
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.errors import NotFound, PackshotError
from packshot.emulator import calls
from packshot.services import erasing, setup
from packshot.services.core import Core
from packshot.services.erasing import Erased
from packshot.storage.erasing import Erasable, Sought

cli = typer.Typer(help="Make an image or an account go for good, at once.", no_args_is_help=True)

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

EXIT_UNFINISHED = 1
_ID = re.compile(r"[0-9]{1,18}")

_Place = tuple[Path, Path | None]
"""The data folder, and the mirror of its originals if there is one."""


@cli.command(short_help="Make an image go for good.")
def image(
    name: Annotated[str, typer.Argument(metavar="IMAGE", help="The image's guid, or the id that Bitrix24 shows.")],
    *,
    yes: Yes = False,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Make an image go for good with all that hangs on it, also out of the trash; a server may run beside.

    It prints what went, and what still has it: images with the same bytes, backups, the mirror. Exit code 1: traces of
    it are left in files, which the same command removes.
    """
    text = name.strip().lower()
    wanted = int(text) if _ID.fullmatch(text) else text

    async def use(core: Core, place: _Place) -> int:
        caller = await owner(core, account, "packshot erase image")
        sought = Sought(caller.account_id, account, *((wanted, None) if isinstance(wanted, int) else (None, wanted)))
        images = await erasing.find(core, caller.account_id, wanted)
        if not images:
            return await _go_on(core, place, sought)
        _ask(text, [_described(one) for one in images], yes=yes)
        erased = await erasing.erase_images(core, caller, images)
        sought = structs.replace(sought, guid=images[0].guid, image_id=images[0].id)
        return await _finish(core, place, sought, erased)

    _run(data, config_file, use)


@cli.command(name="account", short_help="Make an account go for good.")
def account_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")],
    *,
    yes: Yes = False,
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Make an account go for good with all that it has, and its name be free again; a server may run beside.

    It prints what went, and which backups still have it. Exit code 1: traces of it are left in files, which the same
    command removes.
    """

    async def use(core: Core, place: _Place) -> int:
        try:
            caller = await owner(core, name, "packshot erase account")
        except NotFound:
            return await _go_on(core, place, Sought(0, name))
        _ask(name, [f"account {name}, with its users, their credentials, products and images"], yes=yes)
        erased = await erasing.erase_account(core, caller, name)
        code = await _finish(core, place, Sought(caller.account_id, name), erased)
        lines = f"{program()} audit --account {caller.account_id} --data {quoted(data)}"
        typer.echo(f"kept  what the audit log says, without names: {lines}")
        return code

    _run(data, config_file, use)


def _run(data: Path, config_file: Path | None, use: Callable[[Core, _Place], Awaitable[int]]) -> None:
    settings = of_store(data, config_file)
    place = data, Path(settings.blobs.mirror) if settings.blobs.mirror else None
    code = with_core(data, settings, lambda core: use(core, place))
    if code:
        raise typer.Exit(code)


def _described(one: Erasable) -> str:
    where = f"on product {one.product_id}" if one.product_id else "in a library"
    if one.deletion_id or one.given_up:
        where = f"in the trash by deletion {one.deletion_id}" if one.deletion_id else "given up, in the audit log alone"
    return f"image {one.id}, {one.guid}, {visible(one.name)}, {where}"


def _ask(name: str, what: list[str], *, yes: bool) -> None:
    """Have what goes confirmed by its name. Raises: typer.Exit."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise stop(f"{'; '.join(what)}: this would go for good. Say --yes where nobody can be asked")
    for one in what:
        typer.echo(f"This goes for good: {one}")
    if typer.prompt(f"Type {name} to go on").strip().lower() != name.lower():
        raise stop(f"that is not {name}: nothing was erased")


async def _go_on(core: Core, place: _Place, sought: Sought) -> int:
    """Finish what an erasure had left that was stopped; where there is nothing to do either, say what is wrong."""
    if not await erasing.is_finished(core):
        typer.echo("It is gone from the database already; what was left of an erasure is done now.")
        return await _finish(core, place, sought, Erased(keys=await erasing.left_keys(core)))
    for line in await _copies(core, place, sought, Erased()):
        typer.echo(line)
    if sought.is_account:
        raise NotFound("account", sought.account)
    return fail(
        f"there is no image {sought.guid or sought.image_id} in account {sought.account}, nor in its trash: name it by"
        f" its guid or by its id, and another account with --account"
    )


async def _finish(core: Core, place: _Place, sought: Sought, erased: Erased) -> int:
    data, _ = place
    try:
        done = await erasing.finish(core, data, partial(calls.forget, data))
    except (PackshotError, OSError) as error:
        return _unfinished(str(error))
    counts = erased.counts | {
        "originals": done.originals,
        "renditions": done.renditions,
        "copies of older databases": done.databases,
        "recorded calls": done.calls,
    }
    for words, count in counts.items():
        if count:
            typer.echo(f"erased  {words}: {count}")
    for one in erased.kept:
        typer.echo(f"kept  its bytes, which are those of {visible(one)}, too")
    for line in await _copies(core, place, sought, erased):
        typer.echo(line)
    return 0 if done.rewritten else _unfinished("others did not let go of the database, a backup perhaps")


def _unfinished(why: str) -> int:
    fail(f"it is gone from the database, but traces of it are left in files: {why}. Give the command again")
    return EXIT_UNFINISHED


async def _copies(core: Core, place: _Place, sought: Sought, erased: Erased) -> list[str]:
    """What is out of our reach, and what to do about it."""
    data, mirror = place
    copies = await erasing.find_copies(core, sought, erased.keys, made_at=erased.made_at, mirror=mirror)
    lines = [f"mind  its file lies with somebody else: {visible(one)}" for one in erased.elsewhere]
    if erased.given_up:
        hours = (core.upkeep.young_s + core.upkeep.retention_s) // 3_600 + 1
        lines.append(f"mind  it had been given up: upkeep deletes its bytes within {hours} hours of that")
    if core.db.dialect == "postgresql":
        lines.append("mind  other servers of this store may have recorded calls with it, each in its own data folder")
    lines += [f"mind  {told}" for told in copies.told]
    return lines + [
        f"mind  to replace them by one without it: {program()} backup {shlex.quote(target)} --keep 1"
        f" --data {quoted(data)}"
        for target in copies.targets
    ]
