"""Product images: add, get, list and remove."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import InvalidRequest, NotFound, PackshotError, Unavailable
from packshot.domain.images import SINGLE_ROLES, ImageRole, NewImage, ProductImage, file_name
from packshot.domain.originals import Header, NewBlob, check_header, check_size
from packshot.domain.paging import Page, Query
from packshot.imaging.probe import probe
from packshot.services.access import random_text
from packshot.services.core import Core
from packshot.storage import blob_rows, catalogs, images, products
from packshot.storage.blob_rows import StoredBlob
from packshot.storage.blobs import new_key
from packshot.storage.database import Tx

INLINE_BYTES = 32 * 1024
"""Up to this size an upload is decoded and hashed on the event loop; a thread would cost more."""

_TRIES = 3


class Upload(msgspec.Struct, frozen=True):
    """A picture on its way in: its name, about how many bytes it has, and how to get at them."""

    name: str
    about_bytes: int
    read: Callable[[], bytes]


async def add_to_product(
    core: Core, caller: Principal, product_id: int, role: ImageRole, upload: Upload
) -> ProductImage:
    """Store a picture as an image of the product; when this returns it survives a power cut.

    On `detail` and `preview` it takes the place of the image there, whose id is never used again.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product.
        InvalidRequest: the name cannot be used, or the product's catalog has no property for more pictures.
        UnacceptableImage: the bytes are no picture of an accepted format, or pass a limit.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    name = file_name(upload.name)
    await _require_place(core, caller, product_id, role)
    data, blob = await _examine(core, upload)
    address = random_text(32)
    prefix = hashlib.sha256(address.encode()).hexdigest()[:3]
    new = NewImage(product_id, role, name, f"{prefix}/{address}", core.now())
    for _ in range(_TRIES):
        if image := await _try_to_add(core, caller.account_id, new, blob, data):
            return image
    raise Unavailable("blob store")


async def get(core: Core, caller: Principal, product_id: int, image_id: int) -> ProductImage:
    """The image on that product. Raises: Forbidden, NotFound."""
    require_right(caller, "image:read")
    image = await images.find_image(core.db, caller.account_id, product_id, image_id)
    if image is None:
        raise await _missing(core, caller, product_id, image_id)
    return image


async def list_of_product(core: Core, caller: Principal, product_id: int, query: Query) -> Page[ProductImage]:
    """One page of the product's images, by id where the query orders nothing else. Raises: Forbidden, NotFound."""
    require_right(caller, "image:read")
    page = await images.list_images(core.db, caller.account_id, product_id, query)
    if not page.rows:
        await _require_product(core, caller, product_id)
    return page


async def remove_from_product(core: Core, caller: Principal, product_id: int, image_id: int) -> None:
    """Delete the image. Its bytes stay until upkeep finds that nothing points at them.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product, or the image is not on it.
    """
    require_right(caller, "image:write")
    removed = await core.db.write(lambda tx: images.remove_image(tx, caller.account_id, product_id, image_id))
    if not removed:
        raise await _missing(core, caller, product_id, image_id)


async def _missing(core: Core, caller: Principal, product_id: int, image_id: int) -> NotFound:
    await _require_product(core, caller, product_id)
    return NotFound("image", image_id)


async def _require_product(core: Core, caller: Principal, product_id: int) -> int:
    catalog_id = await products.find_catalog_of(core.db, caller.account_id, product_id)
    if catalog_id is None:
        raise NotFound("product", product_id)
    return catalog_id


async def _require_place(core: Core, caller: Principal, product_id: int, role: ImageRole) -> None:
    catalog_id = await _require_product(core, caller, product_id)
    if role in SINGLE_ROLES:
        return
    if await catalogs.find_gallery_property(core.db, caller.account_id, catalog_id) is None:
        raise InvalidRequest("", "The product has no property for more pictures: create a file property MORE_PHOTO")


async def _examine(core: Core, upload: Upload) -> tuple[bytes, NewBlob]:
    """The bytes of an upload with what they are; nothing has been stored yet. Raises: UnacceptableImage."""

    def examine() -> tuple[bytes, NewBlob]:
        data = upload.read()
        check_size(len(data), core.limits)
        header: Header = probe(data)
        check_header(header, core.limits)
        return data, NewBlob(hashlib.sha256(data).hexdigest(), len(data), header)

    if upload.about_bytes <= INLINE_BYTES:
        return examine()
    return await asyncio.get_running_loop().run_in_executor(core.threads, examine)


async def _try_to_add(core: Core, account_id: int, new: NewImage, blob: NewBlob, data: bytes) -> ProductImage | None:
    """Bytes first, pointers second. None when the blob to share was doomed in between: look again."""
    seen, own_key = await _bring_bytes(core, account_id, blob, data)
    if core.now() - new.created_at > core.upkeep.grace_s // 2 * 1_000_000:
        raise Unavailable("blob store")  # so slow that the sweep might take the bytes before they have a row
    try:
        image, used_own = await core.db.write(lambda tx: _commit(tx, account_id, new, blob, (seen, own_key)))
    except Unavailable:
        raise  # nobody knows whether it was committed: the sweep finds the bytes if they are not needed
    except PackshotError:
        await _discard(core, own_key)
        raise
    if not used_own:
        await _discard(core, own_key)
    return image


async def _bring_bytes(core: Core, account_id: int, blob: NewBlob, data: bytes) -> tuple[StoredBlob | None, str | None]:
    """The live blob with these bytes, if any, and the key we wrote them under ourselves if it cannot be shared."""
    seen = await blob_rows.find_live(core.db, account_id, blob.digest)
    if seen and await core.blobs.find_size(seen.key) == blob.size_bytes:
        return seen, None
    own_key = new_key(blob.digest)
    await core.blobs.put(own_key, data)
    return seen, own_key


async def _commit(
    tx: Tx, account_id: int, new: NewImage, blob: NewBlob, brought: tuple[StoredBlob | None, str | None]
) -> tuple[ProductImage | None, bool]:
    """The image's row, pointing at the blob that is live now, and whether that is the one we wrote."""
    seen, own_key = brought
    current = await blob_rows.find_live(tx, account_id, blob.digest)
    if current and (own_key is None or current != seen):
        return await _point_at(tx, account_id, new, current.id), False
    if own_key is None:
        return None, False
    if current:  # its bytes were found missing or cut, and ours are whole
        await blob_rows.mark_corrupt(tx, current.id)
    blob_id = await blob_rows.add_blob(tx, account_id, blob, own_key, new.created_at)
    await blob_rows.heal(tx, account_id, blob.digest, blob_id)
    return await _point_at(tx, account_id, new, blob_id), True


async def _point_at(tx: Tx, account_id: int, new: NewImage, blob_id: int) -> ProductImage:
    if await products.find_catalog_of(tx, account_id, new.product_id) is None:
        raise NotFound("product", new.product_id)
    if new.role in SINGLE_ROLES:
        await images.remove_role(tx, account_id, new.product_id, new.role)
    return await images.add_image(tx, account_id, new, blob_id)


async def _discard(core: Core, key: str | None) -> None:
    """Give surplus bytes back; failing to only makes an orphan."""
    if key is not None:
        with contextlib.suppress(Unavailable):
            await core.blobs.delete(key)
