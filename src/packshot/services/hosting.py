"""Images of a library that are hosted here: uploaded with their bytes, and attached to products."""

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import Conflict, NotFound
from packshot.domain.images import SINGLE_ROLES, ImageRole
from packshot.domain.libraries import LibraryImage, NewLibraryImage, Place
from packshot.domain.originals import EXTENSIONS
from packshot.services import audit, events, images, libraries, originals
from packshot.services.core import Core
from packshot.storage import library, locks
from packshot.storage.blobs import Staged
from packshot.storage.database import Tx


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What an uploader says of an image. Without a name it is called by its guid, without a title by its name.

    `product_id` and `role` come together; an image with them is in the inventory.
    """

    guid: str
    place: Place = Place()
    name: str = ""
    title: str | None = None
    description: str | None = None
    site_id: int | None = None
    product_id: int | None = None
    role: ImageRole | None = None


async def add(core: Core, caller: Principal, said: Described, staged: Staged) -> LibraryImage:
    """Store a staged upload as an image of a library; when this returns it survives a power cut.

    With a product it becomes an image of that at once, in the place of the one that has the same single role. A guid
    that is there already with these bytes, in this place and, if one is named, on this product in this role, is that
    image, and nothing is changed.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product.
        Conflict: the guid is taken by another image.
        InvalidRequest: the product's catalog has no property for more pictures.
        UnacceptableImage: the bytes are no sound picture of an accepted format, or pass a limit of `Core.prints`.
        LimitReached: the image workers have more to do than they can take.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    if said.product_id is not None and said.role is not None:
        await images.require_place(core.db, caller, said.product_id, said.role)
    examined = await originals.examine_staged(core, staged, core.prints)
    new = _new(core, said, EXTENSIONS[examined.blob.header.media_type])

    async def work(tx: Tx, blob_ids: list[int]) -> LibraryImage:
        await locks.hold(tx, "product", [new.product_id] if new.product_id else [], of=caller.account_id)
        if await library.of_taken(tx, caller.account_id, [new.guid]):
            return await _same(tx, core, caller, new, blob_ids[0])
        if new.product_id is not None and new.role is not None:
            await _make_place(tx, caller, new.product_id, new.role, new.created_at)
        (image,) = await libraries.put(tx, caller, [(new, blob_ids[0])])
        if new.product_id is not None:
            await events.note_new_looks(tx, caller, [new.product_id], new.created_at)
        return image

    return await originals.store(core, caller.account_id, [examined], work)


def _new(core: Core, said: Described, extension: str) -> NewLibraryImage:
    name = said.name or f"{said.guid}.{extension}"
    return NewLibraryImage(
        guid=said.guid,
        place=said.place,
        name=name,
        title=name if said.title is None else said.title,
        description=said.description,
        created_at=core.now(),
        expires_at=libraries.expiry(core, said.place),
        site_id=said.site_id,
        address=images.new_address(),
        product_id=said.product_id,
        role=said.role,
    )


async def _same(tx: Tx, core: Core, caller: Principal, new: NewLibraryImage, blob_id: int) -> LibraryImage:
    """The image that has the guid, if it is what is being uploaded. Raises: Conflict."""
    # Without a shared library a product's image is there for those who name the product: they made it.
    anywhere = new.product_id is None and core.libraries.shared_library
    for image in await library.of_guids(tx, caller.account_id, [new.guid], new.created_at):
        there = anywhere or (new.product_id, new.role) == (image.product_id, image.role)
        if there and image.place == new.place and await library.shows(tx, caller.account_id, image.id, blob_id):
            return image
    raise Conflict(f"There is another image with the guid {new.guid} already")


async def attach(core: Core, caller: Principal, guid: str, product_id: int, role: ImageRole) -> LibraryImage:
    """Make a hosted image of a library one of a product; one that is there in that role already stays as it is.

    It takes the place of the one that has the same single role, and leaves the temporary library for the inventory.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such image or product.
        Conflict: the image lies with somebody else, or is on another product.
        InvalidRequest: the product's catalog has no property for more pictures.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> LibraryImage:
        await locks.hold(tx, "product", [product_id], of=caller.account_id)
        await library.hold(tx, caller.account_id, [guid])
        image = await _attachable(tx, caller, guid, product_id, now)
        if image.role == role:
            return image
        await _make_place(tx, caller, product_id, role, now)
        await library.attach(tx, caller.account_id, image.id, product_id, role, now)
        (attached,) = await library.of_guids(tx, caller.account_id, [guid], now)
        await audit.note(tx, caller, "attached", [audit.of_image(attached, role=role)], now)
        await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.UPDATE", [attached], now)
        await events.note_new_looks(tx, caller, [product_id], now)
        return attached

    return await core.db.write(work)


async def _attachable(tx: Tx, caller: Principal, guid: str, product_id: int, now: int) -> LibraryImage:
    for image in await library.of_guids(tx, caller.account_id, [guid], now):
        if image.address is None:
            raise Conflict("The file of this image lies with somebody else: upload it, then it can be attached")
        if image.product_id not in {None, product_id}:
            raise Conflict(f"This image is on product {image.product_id} already")
        return image
    raise NotFound("image", guid)


async def _make_place(tx: Tx, caller: Principal, product_id: int, role: ImageRole, now: int) -> None:
    """Take the image away that has the same single role on the product. Raises: NotFound, InvalidRequest."""
    await images.require_place(tx, caller, product_id, role)
    if role in SINGLE_ROLES:
        await images.clear(tx, caller, product_id, role, now)
