"""Product images: add, get, list and remove."""

import uuid
from collections.abc import Sequence

from packshot.domain.access import Principal, require_right
from packshot.domain.audit import Action
from packshot.domain.errors import InvalidRequest, NotFound
from packshot.domain.images import SINGLE_ROLES, ImageRole, NewImage, ProductImage, file_name, keyed_address
from packshot.domain.paging import Page, Query
from packshot.services import audit, events, originals, trash
from packshot.services.access import random_text
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.storage import catalogs, images, library, locks, products
from packshot.storage.database import Reads, Tx

MAX_NOTED = 1_000
"""How many images that leave a product one change notes at most: each costs every listener a row."""

AT_ONCE = 500
"""How many images one statement takes off a product."""


async def add_to_product(
    core: Core, caller: Principal, product_id: int, role: ImageRole, upload: Upload
) -> ProductImage:
    """Store a picture as an image of the product; when this returns it survives a power cut.

    On `detail` and `preview` it takes the place of the image there, whose id is never used again.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product.
        InvalidRequest: the name cannot be used, or the product's catalog has no property for more pictures.
        UnacceptableImage: the bytes are no sound picture of an accepted format, or pass a limit.
        LimitReached: the image workers have more to do than they can take.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    name = file_name(upload.name)
    await require_place(core.db, caller, product_id, role)
    examined = await originals.examine(core, upload)
    new = NewImage(product_id, role, name, new_address(), new_guid(), core.now())

    async def work(tx: Tx, blob_ids: list[int]) -> ProductImage:
        await locks.hold(tx, "product", [product_id], of=caller.account_id)
        if await products.find_catalog_of(tx, caller.account_id, product_id) is None:
            raise NotFound("product", product_id)
        image = await put(tx, caller, new, blob_ids[0])
        await events.note_new_looks(tx, caller, [product_id], new.created_at)
        return image

    return await originals.store(core, caller.account_id, [examined], work)


def new_address() -> str:
    """The public address of a new image, which nobody can guess."""
    return keyed_address(random_text(32))


def new_guid() -> str:
    """The guid of a new image whose maker did not choose one."""
    return str(uuid.uuid4())


async def put(tx: Tx, caller: Principal, new: NewImage, blob_id: int) -> ProductImage:
    """Insert an image inside a work, in the place of one that has the same single role, and note both."""
    if new.role in SINGLE_ROLES:
        await clear(tx, caller, new.product_id, new.role, new.created_at)
    image = await images.add_image(tx, caller.account_id, new, blob_id)
    await audit.note(tx, caller, "added", [audit.of_image(image)], new.created_at)
    if new.property_id is None:
        await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.ADD", [image], new.created_at)
    return image


async def clear(tx: Tx, caller: Principal, product_id: int, role: ImageRole, now: int) -> None:
    """Take the image in that single role off its product for another one, if there is one: see `let_go`."""
    if image := await images.find_in_role(tx, caller.account_id, product_id, role):
        await let_go(tx, caller, [image], now, "replaced")


async def let_go(tx: Tx, caller: Principal, leaving: Sequence[ProductImage], now: int, how: Action = "deleted") -> None:
    """Take images off their products inside a work, and note the first `MAX_NOTED` of them.

    They are deleted, but for those that something is sold of: these stay in the library, since nobody asked for
    their end. *how* is what the audit log says of those that are deleted.
    """
    sold: set[int] = set()
    for first in range(0, len(leaving), AT_ONCE):
        ids = [image.id for image in leaving[first : first + AT_ONCE]]
        staying = await images.of_sold(tx, caller.account_id, ids)
        await trash.take_places(tx, caller, sorted(staying), now)
        await images.detach(tx, caller.account_id, sorted(staying))
        unsold = [image_id for image_id in ids if image_id not in staying]
        await remove_files(tx, caller, unsold, now, how)
        sold |= staying
    for image in leaving[:MAX_NOTED]:
        if image.id in sold:
            await events.note_detached(tx, caller, image, now)
        else:
            await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.DELETE", [image], now)


async def remove_files(tx: Tx, caller: Principal, image_ids: Sequence[int], now: int, how: Action = "deleted") -> None:
    """Move images into the trash inside a work with all that hangs on them, like the values of properties they are."""
    await trash.take_images(tx, caller, image_ids, now, how)
    await library.remove_images(tx, caller.account_id, image_ids)


async def get(core: Core, caller: Principal, product_id: int, image_id: int) -> ProductImage:
    """The image on that product. Raises: Forbidden, NotFound."""
    require_right(caller, "image:read")
    image = await images.find_image(core.db, caller.account_id, product_id, image_id)
    if image is None:
        raise await _missing(core.db, caller, product_id, image_id)
    return image


async def list_of_product(core: Core, caller: Principal, product_id: int, query: Query) -> Page[ProductImage]:
    """One page of the product's images, by id where the query orders nothing else. Raises: Forbidden, NotFound."""
    require_right(caller, "image:read")
    page = await images.list_images(core.db, caller.account_id, product_id, query)
    if not page.rows:
        await _require_product(core.db, caller, product_id)
    return page


async def remove_from_product(core: Core, caller: Principal, product_id: int, image_id: int) -> None:
    """Delete the image, with all that is sold of it. Its bytes stay until upkeep finds that nothing points at them.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product, or the image is not on it.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> None:
        await locks.hold(tx, "product", [product_id], of=caller.account_id)
        gone = await images.find_image(tx, caller.account_id, product_id, image_id)
        if gone is None:
            raise await _missing(tx, caller, product_id, image_id)
        await remove_files(tx, caller, [image_id], now)
        await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.DELETE", [gone], now)
        await events.note_new_looks(tx, caller, [product_id], now)

    await core.db.write(work, makes_room=True)


async def _missing(reads: Reads, caller: Principal, product_id: int, image_id: int) -> NotFound:
    await _require_product(reads, caller, product_id)
    return NotFound("image", image_id)


async def _require_product(reads: Reads, caller: Principal, product_id: int) -> int:
    catalog_id = await products.find_catalog_of(reads, caller.account_id, product_id)
    if catalog_id is None:
        raise NotFound("product", product_id)
    return catalog_id


async def require_place(reads: Reads, caller: Principal, product_id: int, role: ImageRole) -> None:
    """Refuse a product that is not there, or that has no place for that role. Raises: NotFound, InvalidRequest."""
    catalog_id = await _require_product(reads, caller, product_id)
    if role in SINGLE_ROLES:
        return
    if await catalogs.find_gallery_property(reads, caller.account_id, catalog_id) is None:
        raise InvalidRequest("", "The product has no property for more pictures: create a file property MORE_PHOTO")
