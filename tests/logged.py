"""What the audit log says, and what it would have to say of what happened to the rows of images."""

from typing import Any

from packshot.domain.access import Principal
from packshot.domain.audit import Entry, Sought
from packshot.services import audit
from packshot.services.core import Core

Done = list[tuple[int, str]]
"""By image id, what was done to it."""

ALL = 1_000


async def lines(core: Core, caller: Principal) -> list[Entry]:
    """The whole log, oldest first."""
    return (await audit.of_entries(core, caller, Sought(), ALL))[::-1]


async def said(core: Core, caller: Principal) -> Done:
    """What the log says was done, oldest first."""
    return [(entry.image_id, entry.action) for entry in await lines(core, caller)]


async def rows(core: Core) -> dict[int, Any]:
    """Every image as it is, by id: its product, then the whole row."""
    return {row[0]: row[1:] for row in await core.db.all("SELECT i.id, i.product_id, i.* FROM image i ORDER BY i.id")}


def happened(before: dict[int, Any], after: dict[int, Any]) -> Done:
    """What was done to images between two looks at their rows, in order of their ids."""
    done = []
    for image_id in sorted(before | after):
        old, new = before.get(image_id), after.get(image_id)
        if old is None or new is None:
            done.append((image_id, "added" if new else "deleted"))
        elif old[0] != new[0]:
            done.append((image_id, "attached" if new[0] else "detached"))
        elif old != new:
            done.append((image_id, "changed"))
    return done
