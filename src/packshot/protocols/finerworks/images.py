"""Images of a library: listed, and changed."""

from collections.abc import Collection, Mapping
from typing import Any

from packshot.domain.errors import InvalidValue, MissingField
from packshot.domain.inventory import InventoryProduct
from packshot.domain.libraries import ImageChange, LibraryImage, Place, Sort, Wanted
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.additions import MAX_TEXT_CHARACTERS
from packshot.protocols.finerworks.call import Answer, Call
from packshot.protocols.finerworks.guids import MAX_GUIDS, about, missed
from packshot.protocols.finerworks.inventory import write_product
from packshot.protocols.finerworks.library import guid_of, place_of, write_image
from packshot.services import inventory, libraries

MAX_UPDATED = 50

_SORTS: dict[str, Sort] = {
    "id": "id",
    "title": "title",
    "file_name": "name",
    "file_size": "size_bytes",
    "date_added": "created_at",
}
_GALLERIES = ("personal_gallery_id_filter", "public_gallery_id_filter")

_Products = Mapping[int, Collection[InventoryProduct]]


async def list_images(call: Call) -> Answer:
    """list_images: one page of a library, the inventory where none is named.

    `count` is the number of all images that match, `per_page` the size of the page after all limits. Source: page
    POST-v3-list_images; what it leaves open is in README.md.
    """
    params = call.params
    place = place_of(params) or Place()
    number, rows, offset = wire.paging(params)
    page = await libraries.list_images(call.core, call.caller, _wanted(call, place, offset, rows))
    products: _Products | None = None
    if wire.flag(params, "list_products") and place.library == "inventory":
        products = await inventory.of_images(call.core, call.caller, [image.id for image in page.rows])
    images = [_write(call, image, products) for image in page.rows]
    return Answer({"images": images, "page_number": number, "per_page": rows, "count": page.total})


async def update_images(call: Call) -> Answer:
    """update_images: titles, descriptions and visibility of up to 50 images, in any library unless one is named.

    Products of the virtual inventory stay, whatever the page says. Guids that are not there are named in the
    message; where none is, the answer is a failure with the code 404. Source: page PUT-v3-update_images.
    """
    changes = [
        _change(fields, f"images[{number}].")
        for number, fields in enumerate(wire.objects(call.params, "images", MAX_UPDATED))
    ]
    updated = await call.once(libraries.update_images, changes, place_of(call.params))
    missing = missed({change.guid: change.guid for change in changes}, {image.guid for image in updated})
    images = [write_image(call, image) for image in updated]
    return Answer({"images": images}, about(missing), code=404 if changes and not updated else 200)


def _wanted(call: Call, place: Place, offset: int, rows: int) -> Wanted:
    params = call.params
    sort, descending = wire.ordering(params, _SORTS)
    since = wire.span(params, "upload_date_from", call.zone)
    until = wire.span(params, "upload_date_to", call.zone)
    return Wanted(
        place=place,
        search=wire.text(params, "search_filter", most=wire.MAX_SEARCH_CHARACTERS) or "",
        guids=_guids(params),
        active=wire.flag(params, "active"),
        created_from=since and since[0],
        created_before=until and until[1],
        sort=sort,
        descending=descending,
        offset=offset,
        limit=rows,
    )


def _guids(params: wire.Fields) -> tuple[str, ...] | None:
    """The guids that are asked for; None for any. There are no galleries, so whoever asks for one gets nothing."""
    galleries = [wire.items(params, name) for name in _GALLERIES]
    if any(galleries):
        return ()
    sent = wire.items(params, "guid_filter")
    if not sent:
        return None
    if len(sent) > MAX_GUIDS:
        raise InvalidValue("guid_filter", f"has more than {MAX_GUIDS} elements")
    return tuple(guid for guid in map(guid_of, sent) if guid)


def _change(fields: wire.Fields, within: str) -> ImageChange:
    guid = (wire.text(fields, "guid", within) or "").strip()
    if not guid:
        raise MissingField(f"{within}guid")
    return ImageChange(
        guid=guid_of(guid) or guid,
        title=wire.text(fields, "title", within, most=MAX_TEXT_CHARACTERS),
        description=wire.text(fields, "description", within, most=MAX_TEXT_CHARACTERS),
        active=wire.flag(fields, "visible", within),
    )


def _write(call: Call, image: LibraryImage, products: _Products | None) -> dict[str, Any]:
    if products is None:
        return write_image(call, image)
    written = [write_product(call, product, image) for product in products.get(image.id, ())]
    return write_image(call, image, written)
