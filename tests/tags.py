"""What cameras, telephones and programs write about a picture: EXIF, XMP, IPTC and Photoshop's resources.

Wherever a text fits that tells a place, it is `MARKER`.
"""

import struct

import pictures

MARKER = b"Klosterstern 17, Hamburg"
SERIAL = b"SN-0042-4711"
AUTHOR = b"Ada Ahrens"
CAMERA = b"Boxcam 9"
OWNED = b"Reserved to Ada"
ORIENTATION = 6

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    b'exif:GPSLatitude="53,34.5N" exif:GPSLongitude="9,59.6E" photoshop:City="'
    + MARKER
    + b'"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


# EXIF


def short(order: str, number: int) -> tuple[int, int, bytes]:
    return 3, 1, struct.pack(order + "H", number)


def long(order: str, number: int) -> tuple[int, int, bytes]:
    return 4, 1, struct.pack(order + "I", number)


def text(text: bytes) -> tuple[int, int, bytes]:
    return 2, len(text) + 1, text + b"\0"


def directory(order: str, at: int, values: dict[int, tuple[int, int, bytes]], following: int = 0) -> bytes:
    """A directory at offset *at* with the values that do not fit into it behind it."""
    behind_at, behind, entries = at + 6 + 12 * len(values), b"", b""
    for tag, (kind, count, value) in sorted(values.items()):
        field = value if len(value) <= 4 else struct.pack(order + "I", behind_at + len(behind))
        behind += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
        entries += struct.pack(order + "HHI4s", tag, kind, count, field)
    return struct.pack(order + "H", len(values)) + entries + struct.pack(order + "I", following) + behind


def exif(order: str = "<", orientation: int = ORIENTATION, *, private: bool = True) -> bytes:
    """A TIFF structure as a telephone writes it; when *private* with place, thumbnail, maker note and serial numbers.

    Without those it holds maker, camera, author, owner, time and orientation.
    """
    data = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    image = {0x010F: text(b"Boxworks"), 0x0110: text(CAMERA), 0x0112: short(order, orientation)}
    image |= {0x013B: text(AUTHOR), 0x8298: text(OWNED), 0x0132: text(b"2026:05:17 12:30:00")}
    photo = {0x8827: short(order, 200), 0x829A: (5, 1, struct.pack(order + "II", 1, 250))}
    thumbnail_at = 0
    if private:
        place = {1: text(b"N"), 2: (5, 3, struct.pack(order + "6I", 53, 1, 34, 1, 30, 1)), 3: text(b"E")}
        place |= {
            4: (5, 3, struct.pack(order + "6I", 9, 1, 59, 1, 36, 1)),
            0x1C: (7, len(MARKER) + 8, b"ASCII\0\0\0" + MARKER),
        }
        image |= {0x8825: long(order, len(data)), 0x010E: text(MARKER), 0xC62F: text(SERIAL)}
        data += directory(order, len(data), place)
        photo |= {0x927C: (7, 40, b"BOXWORKS" + MARKER + bytes(8)), 0x9286: (7, 32, bytes(8) + MARKER)}
        photo |= {0xA431: text(SERIAL), 0xA435: text(SERIAL), 0xA430: text(b"Ada's own"), 0xA420: text(SERIAL)}
        thumbnail = pictures.jpeg(8, 6, comment=MARKER)
        thumbnail_at = len(data) + len(thumbnail) % 2
        data = data.ljust(thumbnail_at, b"\0") + thumbnail
        values = {0x0103: short(order, 6), 0x0201: long(order, thumbnail_at), 0x0202: long(order, len(thumbnail))}
        thumbnail_at = len(data)
        data += directory(order, thumbnail_at, values | {0x8825: long(order, 8), 0x010E: text(MARKER)})
    image[0x8769] = long(order, len(data))
    data += directory(order, len(data), photo)
    last = directory(order, len(data), image, thumbnail_at)
    return data[:4] + struct.pack(order + "I", len(data)) + data[8:] + last


def minimal_exif(orientation: int = ORIENTATION) -> bytes:
    return b"II*\0\x08\0\0\0" + directory("<", 8, {0x0112: short("<", orientation)})


# IPTC and Photoshop


def dataset(record: int, number: int, text: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(text)) + text


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + b"\0" * (len(body) % 2)


IPTC = b"".join(
    dataset(2, number, text)
    for number, text in [
        (0, b"\0\4"),
        (25, MARKER),
        (26, b"DEU"),
        (27, MARKER),
        (80, AUTHOR),
        (90, MARKER),
        (92, MARKER),
        (95, MARKER),
        (100, b"DEU"),
        (101, MARKER),
        (116, OWNED),
        (120, MARKER),
    ]
)


def photoshop(*resources: bytes) -> bytes:
    return pictures.jpeg_segment(0xED, b"Photoshop 3.0\0" + b"".join(resources))
