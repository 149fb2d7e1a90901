"""The audit log: what is done to images is written down in the transaction that does it, for as long as is wanted."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.audit import Action, Deed, Entry, Sought, Touched
from packshot.domain.images import ProductImage
from packshot.domain.libraries import LibraryImage
from packshot.services import calls
from packshot.services.core import Core
from packshot.storage import audit
from packshot.storage.database import Tx

BATCH = 500
_SECOND = 1_000_000

_encoder = msgspec.json.Encoder()


async def note(tx: Tx, caller: Principal, action: Action, images: Sequence[Touched], now: int) -> None:
    """Write down inside a work what this call does to these images."""
    if images:
        method, request_id = calls.current().method, calls.REQUEST_ID.get()
        await audit.add(tx, Deed(caller.account_id, now, action, method, calls.who(caller), request_id), images)


def of_image(image: ProductImage | LibraryImage, **details: Any) -> Touched:
    """An image as it is now, with what more there is to say."""
    said = _encoder.encode(details).decode() if details else ""
    return Touched(image.id, image.guid, image.name, image.product_id, said)


def of_row(row: Mapping[str, Any]) -> Touched:
    """The same of an image's whole row."""
    return Touched(row["id"], row["guid"], row["name"], row["product_id"])


async def of_entries(core: Core, caller: Principal, sought: Sought, limit: int) -> list[Entry]:
    """The account's latest lines of the log that are sought, newest first. Raises: Forbidden, Unavailable."""
    require_right(caller, "image:read")
    return await audit.of_entries(core.db, caller.account_id, sought, limit)


async def purge(core: Core) -> int:
    """Forget the lines that were kept for as long as the settings say; return how many. Raises: Unavailable."""
    count = 0
    if core.audit.keep_s:
        now = core.now()
        before = now - core.audit.keep_s * _SECOND
        while gone := await core.db.write(partial(audit.purge, before=before, now=now, limit=BATCH), makes_room=True):
            count += gone
    return count
