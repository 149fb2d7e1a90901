"""`packshot audit`: who did what to which image."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from packshot.cli import printed
from packshot.cli.common import Account, Config, Data, of_store, owner, stop, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import Principal
from packshot.domain.audit import Entry, Sought
from packshot.domain.errors import NotFound
from packshot.services import audit as log
from packshot.services import setup
from packshot.services.core import Core

LIMIT = 50

_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


def audit(  # noqa: PLR0913 - one parameter for each option
    *,
    image: Annotated[str, typer.Option(metavar="ID|GUID", help="Only what was done to this image.")] = "",
    request: Annotated[str, typer.Option(metavar="ID", help="Only what this request did.")] = "",
    by: Annotated[str, typer.Option(metavar="TEXT", help="Only what somebody did in whose words this is.")] = "",
    since: Annotated[str, typer.Option(metavar="DATE", help="Only from this day or moment on, UTC.")] = "",
    before: Annotated[int | None, typer.Option(metavar="ENTRY", help="Only lines before this one.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many lines.")] = LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")] = False,
    account: Account = setup.ACCOUNT,
    data: Data = DEFAULT_DATA,
    config_file: Config = None,
) -> None:
    """Print what was done to the images of an account, newest first.

    One line each: its number, when, what, to which image, by which method, by whom, and in which request.
    """
    image = image.strip().lower()
    is_id = _ID.fullmatch(image) is not None
    sought = Sought(
        image_id=int(image) if is_id else None,
        guid="" if is_id else image,
        request_id=request,
        by=by,
        since=_moment(since) if since else None,
        before_id=before,
    )
    settings = of_store(data, config_file)

    async def run(core: Core) -> list[Entry]:
        return await log.of_entries(core, await _caller(core, account), sought, limit)

    for entry in with_core(data, settings, run):
        typer.echo(_as_json(entry) if as_json else _line(entry))


async def _caller(core: Core, account: str) -> Principal:
    """Whoever owns the store, for that account: an erased one is called by its number. Raises: NotFound."""
    try:
        return await owner(core, account, "")
    except NotFound:
        caller = Principal(int(account), 0, "administrator", frozenset(), 0) if _ID.fullmatch(account) else None
        if caller and await log.of_entries(core, caller, Sought(), 1):
            return caller
        raise


def _moment(text: str) -> int:
    """A day or a moment, in UTC where it says nothing else, as Unix microseconds. Raises: typer.Exit."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise stop(f"--since takes a day like 2026-07-31, or a moment like 2026-07-31T09:30:00Z, not {text}") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000


def _line(entry: Entry) -> str:
    details = json.loads(entry.details or "{}")
    more = ", ".join([*details.get("fields", ()), *filter(None, [details.get("role")])])
    place = f" of product {entry.product_id}" if entry.product_id is not None else ""
    what = f"image {entry.image_id}{place}" if entry.image_id else "the account"
    done = f"{entry.action}{f' ({more})' if more else ''} {what}"
    named = " ".join([done, *filter(None, [entry.guid, entry.name])])
    how = ", ".join(filter(None, [entry.method, entry.who, entry.request_id]))
    return printed.visible(f"{entry.id} {printed.day(entry.at)} {named}: {how}")


def _as_json(entry: Entry) -> str:
    facts = msgspec.structs.asdict(entry)
    return json.dumps(facts | {"at": printed.day(entry.at), "details": json.loads(entry.details or "{}")})
