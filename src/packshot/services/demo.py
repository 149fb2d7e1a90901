"""The sample catalogue of `packshot serve --demo`: a little shop, its pictures drawn while it is filled."""

import asyncio
from collections.abc import Callable, Iterator

import msgspec

from packshot.domain.access import Principal
from packshot.domain.catalogs import Section
from packshot.domain.errors import NotFound
from packshot.domain.images import ImageRole, rendition_path
from packshot.domain.inventory import NewInventoryProduct
from packshot.domain.libraries import NewLibraryImage, Place
from packshot.domain.products import Fields
from packshot.imaging.sketch import Colour, Subject, View, draw
from packshot.services import catalogs, images, inventory, libraries, originals, products
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.services.product_parts import NewValues, Parts, Text
from packshot.services.samples import PRINTS, QUALITIES, SAMPLES, SECTIONS, Print, Sample
from packshot.services.setup import SCOPES, Seed
from packshot.storage import images as rows
from packshot.storage.database import Tx

DETAIL_PX = 900
PREVIEW_PX = 400

_AT_ONCE = 2
"""Drawings made side by side; each takes some 25 MB while it lasts."""


class Drawing(msgspec.Struct, frozen=True):
    """What is in a picture. Equal drawings are drawn once and their bytes are stored once."""

    subject: Subject
    colour: Colour
    side_px: int = DETAIL_PX
    view: View = "whole"


class Picture(msgspec.Struct, frozen=True):
    """A drawing as an image of a product."""

    role: ImageRole
    name: str
    drawing: Drawing


async def fill(
    core: Core,
    seed: Seed,
    progress: Callable[[int, int], None] | None = None,
    drawn: dict[Drawing, bytes] | None = None,
) -> int:
    """Fill the new account with the sample catalogue and return the id of its first product.

    In a store without products and images that product is 1 and the first image on it is 1, `test.jpeg` in
    the role `more`: the ids that the commands in Bitrix24's documentation are written with (pages
    catalog.productImage.get, list and delete). Behind the products come the images of the library that the command in
    FinerWorks' documentation deletes, each with a product of the virtual inventory. *progress* is told after each
    product how many there are now and how many there will be. What is in *drawn* is not drawn again, and what is drawn
    goes there. Cut short, it leaves what it has added so far.

    Raises:
        Conflict: the catalogue has a product, section or property with one of the codes already.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    caller = Principal(seed.account_id, seed.user_id, "administrator", SCOPES, 0)
    ids: dict[str, int] = {}
    drawn = {} if drawn is None else drawn
    sections = await _add_sections(core, seed)
    properties = [
        await catalogs.add_property(core, seed.account_id, seed.catalog_id, quality.property) for quality in QUALITIES
    ]
    line = list(_line())
    for done, (sample, parent) in enumerate(line, 1):
        catalog_id = seed.catalog_id if parent is None else seed.variations_id
        place: Fields = {
            "parent_id": None if parent is None else ids[parent.code],
            "section_id": sections.get(sample.code),
        }
        fields = _fields(sample, catalog_id) | place
        product = await products.add(core, caller, sample.kind, fields, _parts(sample, properties))
        ids[sample.code] = int(product.fields["id"] or 0)
        await _add_pictures(core, caller, ids[sample.code], sample, drawn)
        if progress:
            progress(done, len(line))
    for one in PRINTS:
        await _add_print(core, caller, one, drawn)
    return ids[SAMPLES[0].code]


async def rendition(core: Core, seed: Seed, product_id: int, preset: str) -> str:
    """The root-relative address of that rendition of the product's detail picture. Raises: NotFound."""
    image = await rows.find_in_role(core.db, seed.account_id, product_id, "detail")
    if image is None:
        raise NotFound("image", product_id)
    return rendition_path(image.address, preset, image.name, image.version)


async def draw_all(core: Core, drawn: dict[Drawing, bytes]) -> None:
    """Draw every picture of the catalogue that is not in *drawn* yet."""
    wanted = {picture.drawing for sample, _ in _line() for picture in _pictures(sample)}
    await _draw_missing(core, wanted - drawn.keys(), drawn)


async def _add_sections(core: Core, seed: Seed) -> dict[str, int]:
    """The section of each sample that has one, by the sample's code."""
    sections: dict[str, int] = {}
    for name, codes in SECTIONS.items():
        new = Section(seed.catalog_id, name, code=name.lower().replace(" ", "-"))
        sections |= dict.fromkeys(codes, await catalogs.add_section(core, seed.account_id, new))
    return sections


def _line() -> Iterator[tuple[Sample, Sample | None]]:
    """Every product with its parent, parents first."""
    for sample in SAMPLES:
        yield sample, None
        for variation in sample.variations:
            yield variation, sample


def _fields(sample: Sample, catalog_id: int) -> Fields:
    return {
        "catalog_id": catalog_id,
        "name": sample.name,
        "code": sample.code,
        "xml_id": sample.article,
        "purchasing_price": sample.price,
        "purchasing_currency": "EUR",
        "preview_text": sample.summary,
        "detail_text": sample.text or None,
    }


def _parts(sample: Sample, properties: list[int]) -> Parts:
    values = {
        property_id: NewValues([Text(text) for text in quality.values[sample.code]], quality.property.multiple)
        for property_id, quality in zip(properties, QUALITIES, strict=True)
        if sample.code in quality.values
    }
    return Parts(properties=values)


async def _add_pictures(
    core: Core, caller: Principal, product_id: int, sample: Sample, drawn: dict[Drawing, bytes]
) -> None:
    """Draw what has not been drawn yet, then add the pictures in their order, which is that of their ids."""
    pictures = _pictures(sample)
    await _draw_missing(core, {picture.drawing for picture in pictures} - drawn.keys(), drawn)
    for picture in pictures:
        upload = _upload(picture.name, drawn[picture.drawing])
        await images.add_to_product(core, caller, product_id, picture.role, upload)


async def _add_print(core: Core, caller: Principal, one: Print, drawn: dict[Drawing, bytes]) -> None:
    """Its bytes are those of the sample's detail picture, which is drawn by now."""
    sample = next(sample for sample in SAMPLES if sample.code == one.sample)
    name = f"{one.sample}.jpeg"
    new = NewLibraryImage(
        guid=one.guid,
        place=Place(),
        name=name,
        title=one.title,
        description=sample.summary,
        created_at=core.now(),
        address=images.new_address(),
    )

    async def work(tx: Tx, blob_ids: list[int]) -> None:
        await libraries.put(tx, caller, [(new, blob_ids[0])])

    upload = _upload(name, drawn[Drawing(sample.subject, sample.colour)])
    examined = await originals.examine(core, upload)
    await originals.store(core, caller.account_id, [examined], work)
    product = NewInventoryProduct(guid=images.new_guid(), product_code=one.product_code, name=f"Print {one.title}")
    await inventory.add(core, caller, one.guid, product)


def _pictures(sample: Sample) -> list[Picture]:
    """The further pictures (a parent also shows its variations in other colours), then detail and preview."""
    whole = Drawing(sample.subject, sample.colour)
    more = [(f"{sample.code}-{view}.jpeg", msgspec.structs.replace(whole, view=view)) for view in sample.views]
    others = (one for one in sample.variations if one.colour != sample.colour)
    more += [(f"{one.code}.jpeg", msgspec.structs.replace(whole, colour=one.colour)) for one in others]
    if sample.first_name:
        more[0] = (sample.first_name, more[0][1])
    return [
        *(Picture("more", name, drawing) for name, drawing in more),
        Picture("detail", f"{sample.code}.jpeg", whole),
        Picture("preview", f"{sample.code}-small.jpeg", msgspec.structs.replace(whole, side_px=PREVIEW_PX)),
    ]


async def _draw_missing(core: Core, missing: set[Drawing], drawn: dict[Drawing, bytes]) -> None:
    loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)

    async def make(drawing: Drawing) -> None:
        async with turn:
            drawn[drawing] = await loop.run_in_executor(core.threads, draw, *msgspec.structs.astuple(drawing))

    await asyncio.gather(*map(make, missing))


def _upload(name: str, data: bytes) -> Upload:
    return Upload(name, len(data), lambda: data)
