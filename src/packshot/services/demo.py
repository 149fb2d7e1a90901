"""The sample catalogue of `packshot serve --demo`: a little shop, its pictures drawn while it is filled."""

import asyncio
from collections.abc import Callable, Iterator

import msgspec

from packshot.domain.access import Principal
from packshot.domain.images import ImageRole
from packshot.domain.products import Fields, Kind
from packshot.imaging.sketch import Colour, Subject, View, draw
from packshot.services import images, products
from packshot.services.core import Core
from packshot.services.images import Upload
from packshot.services.setup import SCOPES, Seed

DETAIL_PX = 900
PREVIEW_PX = 400

_AT_ONCE = 2
"""Drawings made side by side; each takes some 25 MB while it lasts."""


class Sample(msgspec.Struct, frozen=True):
    """A product to be made; `views` are its further pictures.

    `first_name` is what its first picture is called, where a command of the documentation needs that name.
    """

    name: str
    code: str
    article: str
    price: float
    subject: Subject
    colour: Colour
    summary: str = ""
    text: str = ""
    views: tuple[View, ...] = ("close",)
    kind: Kind = Kind.SIMPLE
    variations: tuple["Sample", ...] = ()
    first_name: str = ""


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


def _colourway(parent: str, article: str, subject: Subject, price: float, colour: tuple[str, Colour]) -> Sample:
    name, rgb = colour
    return Sample(
        name=f"{parent}, {name}",
        code=f"{parent}-{name}".lower().replace(" ", "-"),
        article=f"{article}-{name[:3].upper()}",
        price=price,
        subject=subject,
        colour=rgb,
        summary=f"In {name}.",
        kind=Kind.VARIATION,
    )


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "Harbour mug",
        "harbour-mug",
        "MUG-101",
        6.40,
        "mug",
        (196, 92, 70),
        "Stoneware, 350 ml, with a plain band for the thumb.",
        "Thrown on the wheel and glazed twice, so no two are quite alike. Goes into the dishwasher and the microwave.",
        ("pair", "close", "row"),
        first_name="test.jpeg",
    ),
    Sample(
        "Fog mug",
        "fog-mug",
        "MUG-102",
        6.40,
        "mug",
        (96, 122, 140),
        "The same mug in the grey of a morning at sea.",
        "Stoneware, 350 ml. Goes into the dishwasher and the microwave.",
        ("close",),
    ),
    Sample(
        "Poster First Light",
        "poster-first-light",
        "PRT-201",
        4.10,
        "poster",
        (70, 118, 120),
        "Four hills and a sun, 50 by 70 cm.",
        "Printed on uncoated paper of 200 g. The walnut frame is sold with it and opens from behind.",
        ("close", "row"),
    ),
    Sample(
        "Poster Last Light",
        "poster-last-light",
        "PRT-202",
        4.10,
        "poster",
        (126, 84, 118),
        "The same hills an hour after sunset, 50 by 70 cm.",
        "Printed on uncoated paper of 200 g. The walnut frame is sold with it and opens from behind.",
        ("close",),
    ),
    Sample(
        "Skipper cap",
        "skipper-cap",
        "CAP-301",
        7.90,
        "cap",
        (58, 92, 84),
        "Six panels of washed cotton, one size.",
        "The badge is stitched, the band at the back is adjustable, and the brim survives a pocket.",
        ("pair", "close"),
    ),
    Sample(
        "Logbook",
        "logbook",
        "NTB-401",
        5.20,
        "notebook",
        (48, 72, 108),
        "192 dotted pages that lie flat.",
        "A5, thread-bound, 100 g paper, with a ribbon and a rubber band that does not give up.",
        ("row", "close"),
    ),
    Sample(
        "Candle Rosehip",
        "candle-rosehip",
        "CND-501",
        4.80,
        "candle",
        (214, 150, 138),
        "Rapeseed wax in a glass to keep, burns 45 hours.",
        "Smells of rosehip and a little of smoke. When it has burnt down, the glass makes a good tumbler.",
        ("pair", "close"),
    ),
    Sample(
        "Vase Ochre",
        "vase-ochre",
        "VAS-601",
        11.50,
        "vase",
        (176, 108, 72),
        "A belly, a narrow neck and two white lines, 24 cm.",
        "Made for dry grasses. Glazed inside, so it holds water as well.",
        ("close", "row"),
    ),
    Sample(
        "Deckchair cushion",
        "deckchair-cushion",
        "CSH-701",
        8.70,
        "cushion",
        (208, 150, 62),
        "Striped canvas, 45 by 45 cm.",
        "The cover comes off for washing at 40 degrees. The filling is wool from two farms up the valley.",
        ("pair",),
    ),
    Sample(
        "Table lamp Wick",
        "table-lamp-wick",
        "LMP-801",
        23.00,
        "lamp",
        (226, 196, 140),
        "Linen shade, steel foot, 48 cm.",
        "Takes any bulb with an E27 base of up to 40 W. The switch sits where the hand finds it in the dark.",
        ("close",),
    ),
    Sample(
        "Olive oil Terrace",
        "olive-oil-terrace",
        "OIL-901",
        5.60,
        "bottle",
        (74, 126, 104),
        "Cold-pressed, 500 ml.",
        "From one grove and one week in November. Peppery when young, milder from spring on.",
        ("close", "row"),
    ),
    Sample(
        "Elderflower cordial",
        "elderflower-cordial",
        "CRD-902",
        3.30,
        "bottle",
        (206, 168, 84),
        "Elderflowers, lemon and sugar, 500 ml.",
        "One part to seven parts of water. Keeps for two weeks in the fridge once it is open.",
        ("pair",),
    ),
    Sample(
        "T-shirt Sunrise",
        "t-shirt-sunrise",
        "TSH-110",
        9.20,
        "t-shirt",
        (62, 106, 150),
        "Heavy organic cotton with the sun on its chest.",
        "Knitted, cut and printed within a day's drive. Cut straight; take your usual size.",
        ("close",),
        Kind.PARENT,
        tuple(
            _colourway("T-shirt Sunrise", "TSH-110", "t-shirt", 9.20, colour)
            for colour in (("Sea", (62, 106, 150)), ("Brick", (184, 88, 72)), ("Moss", (104, 126, 92)))
        ),
    ),
    Sample(
        "Tote bag Sprig",
        "tote-bag-sprig",
        "TOT-120",
        3.90,
        "tote bag",
        (222, 206, 176),
        "Canvas, long handles, room for a week's vegetables.",
        "38 by 42 cm, 300 g canvas. The sprig is printed with water-based ink and softens with every wash.",
        ("close",),
        Kind.PARENT,
        tuple(
            _colourway("Tote bag Sprig", "TOT-120", "tote bag", 3.90, colour)
            for colour in (("Natural", (222, 206, 176)), ("Sage", (158, 180, 150)), ("Rose", (222, 168, 160)))
        ),
    ),
    Sample(
        "Gift wrapping",
        "gift-wrapping",
        "SRV-001",
        1.50,
        "gift box",
        (186, 64, 78),
        "A box, a ribbon, and a card in your words.",
        "Added to any order of up to five things. Write the text for the card into the note of your order.",
        ("row",),
        Kind.SERVICE,
    ),
)
"""What the shop sells. The first one becomes product 1, and the first of its `views` image 1."""


async def fill(core: Core, seed: Seed, progress: Callable[[int, int], None] | None = None) -> int:
    """Fill the new account with the sample catalogue and return the id of its first product.

    In a store without products and images that product is 1 and the first image on it is 1, `test.jpeg` in
    the role `more`: the ids that the commands in Bitrix24's documentation are written with (pages
    catalog.productImage.get, list and delete). *progress* is told after each product how many there are now and
    how many there will be. Cut short, it leaves what it has added so far.

    Raises:
        Conflict: the catalogue has a product with one of the codes already.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    caller = Principal(seed.account_id, seed.user_id, "administrator", SCOPES, seed.webhook_id)
    ids: dict[str, int] = {}
    drawn: dict[Drawing, bytes] = {}
    line = list(_line())
    for done, (sample, parent) in enumerate(line, 1):
        catalog_id = seed.catalog_id if parent is None else seed.variations_id
        parent_id = None if parent is None else ids[parent.code]
        product = await products.add(core, caller, sample.kind, _fields(sample, catalog_id), parent_id)
        ids[sample.code] = int(product.fields["id"] or 0)
        await _add_pictures(core, caller, ids[sample.code], sample, drawn)
        if progress:
            progress(done, len(line))
    return ids[SAMPLES[0].code]


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


async def _add_pictures(
    core: Core, caller: Principal, product_id: int, sample: Sample, drawn: dict[Drawing, bytes]
) -> None:
    """Draw what has not been drawn yet, then add the pictures in their order, which is that of their ids."""
    pictures = _pictures(sample)
    await _draw_missing(core, {picture.drawing for picture in pictures} - drawn.keys(), drawn)
    for picture in pictures:
        upload = _upload(picture.name, drawn[picture.drawing])
        await images.add_to_product(core, caller, product_id, picture.role, upload)


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
