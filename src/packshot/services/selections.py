"""Selections: images that a client remembers, in an order, under a guid of its own making."""

from collections.abc import Sequence

from packshot.domain.access import Principal, require_right
from packshot.services import libraries, trash
from packshot.services.core import Core
from packshot.storage import selections
from packshot.storage.database import Tx


async def replace(core: Core, caller: Principal, guid: str, image_guids: Sequence[str]) -> list[str]:
    """Make these images the selection, in this order; return the guids of those that are there.

    Raises:
        Forbidden: the caller may only look.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> list[str]:
        images = await libraries.found(tx, core, caller, image_guids)
        await trash.take_selection(tx, caller, guid, now)
        await selections.add(tx, caller.account_id, guid, [image.id for image in images])
        return [image.guid for image in images]

    return await core.db.write(work)


async def of_selection(core: Core, caller: Principal, guid: str) -> list[str]:
    """The guids of the images in the selection that are still there; none where there is no such selection.

    Raises:
        Forbidden: the caller may not look at images.
        Unavailable: the database cannot be read.
    """
    require_right(caller, "image:read")
    shared = core.libraries.shared_library
    return await selections.of_selection(core.db, caller.account_id, guid, core.now(), shared=shared)
