"""Libraries: images of an account by guid, wherever they came from, added, listed, changed and deleted."""

from collections.abc import Sequence

from packshot.domain.access import Principal
from packshot.domain.libraries import LibraryImage
from packshot.services import events
from packshot.storage import library
from packshot.storage.database import Tx


async def take(tx: Tx, caller: Principal, images: Sequence[LibraryImage], now: int) -> None:
    """Delete images inside a work, with their inventory products and places in selections, and note it.

    The bytes stay until upkeep finds that nothing points at them.
    """
    await library.remove_images(tx, caller.account_id, [image.id for image in images])
    for image in images:
        await events.note_image(tx, caller, "PACKSHOT.IMAGE.ON.DELETE", image, now)
    for product_id in dict.fromkeys(image.product_id for image in images if image.product_id is not None):
        await events.note_new_look(tx, caller, product_id, now)
