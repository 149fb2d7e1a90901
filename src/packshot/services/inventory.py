"""The virtual inventory: what is sold of the images of a library."""

from collections.abc import Collection, Sequence

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import NotFound
from packshot.domain.inventory import LINK_FIELDS, InventoryChange, InventoryProduct, NewInventoryProduct, changed
from packshot.domain.libraries import LibraryImage, Place
from packshot.domain.paging import Page, Query
from packshot.services import libraries, trash
from packshot.services.core import Core
from packshot.storage import inventory
from packshot.storage.database import Tx


async def list_products(core: Core, caller: Principal, query: Query) -> Page[InventoryProduct]:
    """One page of the account's products.

    Fields of the query: `id`, `name`, `created_at`, `searched`, `sku`, `product_code`, `image_guid`, and `link`,
    which is the name of a linked field or the id in one.

    Raises:
        Forbidden: the caller may not look at images.
        InvalidValue: the query compares with too many values, or searches for too long a text.
        Unavailable: the database cannot be read.
    """
    require_right(caller, "image:read")
    return await inventory.list_products(core.db, caller.account_id, query)


async def images_of(core: Core, caller: Principal, products: Collection[InventoryProduct]) -> dict[str, LibraryImage]:
    """The images that these products are sold of, by guid; those that no library shows are not there.

    Raises: Forbidden, Unavailable.
    """
    require_right(caller, "image:read")
    guids = [product.image_guid for product in products]
    return {image.guid: image for image in await libraries.found(core.db, core, caller, guids)}


async def of_images(core: Core, caller: Principal, image_ids: Collection[int]) -> dict[int, list[InventoryProduct]]:
    """The products of each of these images, by id; images without any are not there.

    Raises:
        Forbidden: the caller may not look at images.
        Unavailable: the database cannot be read.
    """
    require_right(caller, "image:read")
    products: dict[int, list[InventoryProduct]] = {}
    for product in await inventory.of_images(core.db, caller.account_id, image_ids):
        products.setdefault(product.image_id, []).append(product)
    return products


async def add(core: Core, caller: Principal, image_guid: str, new: NewInventoryProduct) -> InventoryProduct:
    """Sell a product of an image in the inventory library.

    Raises:
        Forbidden: the caller may only look.
        NotFound: the inventory library has no such image.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> InventoryProduct:
        images = await libraries.found(tx, core, caller, [image_guid], Place())
        if not images:
            raise NotFound("image", image_guid)
        sku = await inventory.add_product(tx, caller.account_id, images[0], new, now)
        (product,) = await inventory.of_skus(tx, caller.account_id, [sku])
        return product

    return await core.db.write(work)


async def update(core: Core, caller: Principal, changes: Sequence[InventoryChange]) -> list[InventoryProduct]:
    """Change products, all in one transaction, and return them as they are now; unknown SKUs are passed over.

    Raises:
        Forbidden: the caller may only look.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> list[InventoryProduct]:
        skus = list(dict.fromkeys(change.sku for change in changes))
        await inventory.hold_skus(tx, caller.account_id, skus)
        before = {product.sku: product for product in await inventory.of_skus(tx, caller.account_id, skus)}
        products = dict(before)
        for change in changes:
            if change.sku in products:
                products[change.sku] = changed(products[change.sku], change, now)
        differing = [product for sku, product in products.items() if product is not before[sku]]
        await inventory.update_products(tx, caller.account_id, differing)
        return [products[sku] for sku in skus if sku in products]

    return await core.db.write(work)


async def remove(core: Core, caller: Principal, skus: Collection[str]) -> set[str]:
    """Delete the products with these SKUs and return the SKUs of those it were; their images stay.

    Raises:
        Forbidden: the caller may only look.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> set[str]:
        products = await inventory.of_skus(tx, caller.account_id, skus)
        await trash.take_inventory(tx, caller, [product.id for product in products], now)
        return await inventory.remove_skus(tx, caller.account_id, skus)

    return await core.db.write(work, makes_room=True)


async def disconnect(core: Core, caller: Principal, platform: str) -> None:
    """Cut all links of the account's products to that platform, one of `LINK_FIELDS`.

    Raises:
        Forbidden: the caller may only look.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> None:
        await trash.take_links(tx, caller, LINK_FIELDS[platform], now)

    await core.db.write(work, makes_room=True)
