"""What the sample catalogue of `packshot serve --demo` sells."""

import msgspec

from packshot.domain.catalogs import Property
from packshot.domain.products import Kind
from packshot.imaging.sketch import Colour, Subject, View


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


class Print(msgspec.Struct, frozen=True):
    """An image of the library on no product, of the sample with that code, and what is sold of it under `title`."""

    guid: str
    sample: str
    title: str
    product_code: str


class Quality(msgspec.Struct, frozen=True):
    """A property of the shop's products, with its values by the codes of the samples."""

    property: Property
    values: dict[str, tuple[str, ...]]


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

PRINTS = (
    Print("2d273599-962a-498c-be07-cec9e80bacf2", "poster-first-light", "First Light", "5M41M9S8X10"),
    Print("7c5c9470-cf14-4ba0-89ff-97197c6989c2", "poster-last-light", "Last Light", "5M41M9S8X10"),
)
"""What the shop has printed on demand: the guids are those that the command of FinerWorks' documentation deletes (page
DELETE-v3-delete_images)."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "Kitchen": ("harbour-mug", "fog-mug", "olive-oil-terrace", "elderflower-cordial"),
    "Living room": (
        "poster-first-light", "poster-last-light", "candle-rosehip", "vase-ochre", "deckchair-cushion",
        "table-lamp-wick",
    ),
    "To wear and carry": ("skipper-cap", "t-shirt-sunrise", "tote-bag-sprig"),
}  # fmt: skip
"""The sections of the shop, with the codes of the samples in each."""

QUALITIES: tuple[Quality, ...] = (
    Quality(
        Property("MATERIAL", "Material", "S", multiple=False),
        {
            "harbour-mug": ("Stoneware",),
            "fog-mug": ("Stoneware",),
            "skipper-cap": ("Cotton",),
            "vase-ochre": ("Stoneware",),
            "deckchair-cushion": ("Canvas",),
            "t-shirt-sunrise": ("Organic cotton",),
            "tote-bag-sprig": ("Canvas",),
        },
    ),
    Quality(
        Property("CARE", "Care", "S", multiple=True),
        {
            "harbour-mug": ("Dishwasher", "Microwave"),
            "fog-mug": ("Dishwasher", "Microwave"),
            "deckchair-cushion": ("Wash at 40 degrees",),
        },
    ),
)
"""What the shop says of its products beside the fields that every product has."""
