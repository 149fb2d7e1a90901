"""delete_images, and our own delete_preview, which says beforehand what a deletion takes along."""

from typing import Any

from packshot.domain.inventory import InventoryProduct, platforms_of
from packshot.domain.libraries import LibraryImage
from packshot.protocols.finerworks.call import Answer, Call
from packshot.protocols.finerworks.guids import about, missed, named
from packshot.protocols.finerworks.library import place_of
from packshot.services import inventory, libraries


async def delete_images(call: Call) -> Answer:
    """delete_images: up to 500 images go, with their inventory products, out of the library that is named or of any.

    Guids that are not there are passed over and named in the message. Source: page DELETE-v3-delete_images.
    """
    names = named(call)
    gone = await call.once(libraries.remove_images, list(names), place_of(call.params))
    return Answer({}, about(missed(names, gone)))


async def delete_preview(call: Call) -> Answer:
    """delete_preview: what delete_images would take along when called with the same body. It changes nothing; ours."""
    names = named(call)
    images = await libraries.preview_removal(call.core, call.caller, list(names), place_of(call.params))
    sold = await inventory.of_images(call.core, call.caller, [image.id for image in images])
    missing = missed(names, {image.guid for image in images})
    products = [product for image in images for product in sold.get(image.id, ())]
    fields = {
        "images": [_write_image(image, sold.get(image.id, [])) for image in images],
        "skus": [product.sku for product in products],
        "linked_skus": [product.sku for product in products if platforms_of(product)],
        "missing": missing,
    }
    return Answer(fields, about(missing))


def _write_image(image: LibraryImage, products: list[InventoryProduct]) -> dict[str, Any]:
    return {
        "guid": image.guid,
        "file_name": image.name,
        "title": image.title,
        "product_id": image.product_id,
        "products": [
            {"sku": product.sku, "name": product.name, "linked_to": platforms_of(product)} for product in products
        ],
    }
