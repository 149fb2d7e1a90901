"""Libraries: images of an account by guid, wherever they came from, added, listed, changed and deleted."""

from collections.abc import Sequence

from msgspec import structs

from packshot.domain.access import Principal, require_right, server_for
from packshot.domain.errors import InvalidValue
from packshot.domain.libraries import ImageChange, LibraryImage, NewLibraryImage, Place, Wanted
from packshot.domain.paging import Page
from packshot.services import audit, events, trash
from packshot.services.core import Core
from packshot.storage import library, library_lists
from packshot.storage.database import Reads, Tx

BATCH = 100
"""How many expired images are deleted in one work."""

_SECOND = 1_000_000


def expiry(core: Core, place: Place) -> int | None:
    """When an image ends that comes there now, in Unix microseconds; None if it does not."""
    return core.now() + core.libraries.temporary_s * _SECOND if place.library == "temporary" else None


async def add_images(core: Core, caller: Principal, news: Sequence[NewLibraryImage]) -> list[LibraryImage]:
    """Add images that lie with somebody else, all or none of them; they come back in the same order.

    Raises:
        Forbidden: the caller may only look.
        InvalidValue: a guid is taken already, or meant for two of them.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    return await core.db.write(lambda tx: put(tx, caller, [(new, None) for new in news]))


async def put(tx: Tx, caller: Principal, news: Sequence[tuple[NewLibraryImage, int | None]]) -> list[LibraryImage]:
    """Insert images inside a work, each with the id of its blob where it is hosted here, and note it.

    Raises:
        InvalidValue: a guid is taken already, or meant for two of them.
    """
    guids = [new.guid for new, _ in news]
    taken = await library.of_taken(tx, caller.account_id, guids)
    for index, guid in enumerate(guids):
        if guid in taken or guid in guids[:index]:
            raise InvalidValue(f"images[{index}].guid", f"There is an image with the guid {guid} already")
    for new, blob_id in news:
        await library.add_image(tx, caller.account_id, new, blob_id)
    made = {image.guid: image for image in await library.of_guids(tx, caller.account_id, guids, 0)}
    if made:
        now = made[guids[0]].created_at
        await audit.note(tx, caller, "added", [audit.of_image(made[guid]) for guid in guids], now)
    for guid in guids:
        await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.ADD", [made[guid]], made[guid].created_at)
    return [made[guid] for guid in guids]


async def list_images(core: Core, caller: Principal, wanted: Wanted) -> Page[LibraryImage]:
    """One page of a library as the account sees it now, whatever *wanted* says of `now` and `shared`.

    Raises: Forbidden, Unavailable.
    """
    require_right(caller, "image:read")
    wanted = structs.replace(wanted, now=core.now(), shared=core.libraries.shared_library)
    return await library_lists.list_images(core.db, caller.account_id, wanted)


async def update_images(
    core: Core, caller: Principal, changes: Sequence[ImageChange], place: Place | None
) -> list[LibraryImage]:
    """Change images, wherever they are or only in *place*; return them as they are now, in the order of *changes*.

    What is not there is passed over, and what would stay as it is counts as changed without an event. Files,
    products of the virtual inventory and places in selections stay.

    Raises:
        Forbidden: the caller may only look.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    guids = [change.guid for change in changes]
    now = core.now()

    async def work(tx: Tx) -> list[LibraryImage]:
        await library.hold(tx, caller.account_id, guids)
        images = {image.guid: image for image in await found(tx, core, caller, guids, place)}
        for change in changes:
            if change.guid in images:
                images[change.guid] = await _update(tx, caller, images[change.guid], change, now)
        return list(images.values())

    return await core.db.write(work)


async def _update(tx: Tx, caller: Principal, image: LibraryImage, change: ImageChange, now: int) -> LibraryImage:
    wanted = {name: value for name, value in structs.asdict(change).items() if value is not None}
    changed = structs.replace(image, **wanted)
    if changed == image:
        return image
    fields = [name for name, value in wanted.items() if getattr(image, name) != value]
    await audit.note(tx, caller, "changed", [audit.of_image(image, fields=fields)], now)
    changed = structs.replace(changed, updated_at=now)
    await library.update_image(tx, caller.account_id, changed)
    await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.UPDATE", [changed], now)
    return changed


async def remove_images(core: Core, caller: Principal, guids: Sequence[str], place: Place | None) -> set[str]:
    """Delete the images with these guids, wherever they are or only in *place*; return the guids of those it were.

    What is not there is passed over. Of each image all goes that `take` says.

    Raises:
        Forbidden: the caller may only look.
        StoreFull: there is no room for the events to be noted.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> set[str]:
        await library.hold(tx, caller.account_id, guids)
        images = await found(tx, core, caller, guids, place)
        await take(tx, caller, images, now)
        return {image.guid for image in images}

    return await core.db.write(work, makes_room=True)


async def preview_removal(
    core: Core, caller: Principal, guids: Sequence[str], place: Place | None
) -> list[LibraryImage]:
    """What `remove_images` would delete, in the order of *guids*. Raises: Forbidden, Unavailable."""
    require_right(caller, "image:read")
    return await found(core.db, core, caller, guids, place)


async def found(
    reads: Reads, core: Core, caller: Principal, guids: Sequence[str], place: Place | None = None
) -> list[LibraryImage]:
    """The images with these guids that are there for calls, in *place* or in any, in the order of *guids*."""
    images = {
        image.guid: image
        for image in await library.of_guids(reads, caller.account_id, guids, core.now())
        if (core.libraries.shared_library or image.product_id is None) and place in (None, image.place)
    }
    return [images[guid] for guid in dict.fromkeys(guids) if guid in images]


async def expire(core: Core) -> int:
    """Delete the images whose time in a temporary library is over, and return how many."""
    now, count = core.now(), 0

    async def work(tx: Tx) -> int:
        batch = await library.of_expired(tx, now, BATCH)
        for account_id in {account_id for account_id, _ in batch}:
            ended = [image for owner_id, image in batch if owner_id == account_id]
            await audit.note(tx, server_for(account_id), "deleted", [audit.of_image(image) for image in ended], now)
            await _take(tx, server_for(account_id), ended, now)
        return len(batch)

    while gone := await core.db.write(work, makes_room=True):
        count += gone
    return count


async def take(tx: Tx, caller: Principal, images: Sequence[LibraryImage], now: int) -> None:
    """Move images into the trash inside a work, with their inventory products and places in selections, and note it."""
    await trash.take_images(tx, caller, [image.id for image in images], now)
    await _take(tx, caller, images, now)


async def _take(tx: Tx, caller: Principal, images: Sequence[LibraryImage], now: int) -> None:
    """Delete them for good; their bytes stay until upkeep finds that nothing points at them."""
    if not images:
        return
    await library.remove_images(tx, caller.account_id, [image.id for image in images])
    await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.DELETE", images, now)
    product_ids = dict.fromkeys(image.product_id for image in images if image.product_id is not None)
    await events.note_new_looks(tx, caller, product_ids, now)
