"""The probe tells the kind, the size and the number of frames of a picture."""

import io
import struct
from typing import Any

import pytest
from msgspec.structs import astuple
from PIL import Image

import pictures
from packshot.domain.originals import Header
from packshot.imaging import probe as package
from packshot.imaging.probe import probe

REAL: list[tuple[str, str, int, dict[str, Any]]] = [
    ("JPEG", "L", 1, {}),
    ("JPEG", "RGB", 3, {}),
    ("JPEG", "RGB", 3, {"progressive": True}),
    ("JPEG", "CMYK", 4, {}),
    ("PNG", "1", 1, {}),
    ("PNG", "L", 1, {}),
    ("PNG", "LA", 2, {}),
    ("PNG", "I;16", 2, {}),
    ("PNG", "P", 3, {}),
    ("PNG", "P", 4, {"transparency": 0}),
    ("PNG", "RGB", 3, {}),
    ("PNG", "RGBA", 4, {}),
    ("GIF", "L", 4, {}),
    ("GIF", "P", 4, {"interlace": True}),
    ("WEBP", "RGB", 3, {}),
    ("WEBP", "RGB", 3, {"lossless": True}),
    ("WEBP", "RGB", 3, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    ("WEBP", "RGBA", 4, {}),
    ("WEBP", "RGBA", 4, {"lossless": True, "exact": True}),
    ("AVIF", "RGB", 3, {"speed": 10}),
    ("AVIF", "RGBA", 4, {"speed": 10}),
    ("TIFF", "1", 1, {}),
    ("TIFF", "L", 1, {}),
    ("TIFF", "LA", 2, {}),
    ("TIFF", "I;16", 2, {}),
    ("TIFF", "I;16B", 2, {}),
    ("TIFF", "F", 4, {}),
    ("TIFF", "RGB", 3, {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", 3, {"big_tiff": True}),
    ("TIFF", "RGBA", 4, {"big_tiff": True}),
    ("TIFF", "CMYK", 4, {}),
    ("BMP", "1", 3, {}),
    ("BMP", "P", 3, {}),
    ("BMP", "RGB", 3, {}),
    ("BMP", "RGBA", 4, {}),
]

KNOWN_MARKERS = (0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE)

SMALL = pictures.small_files()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def media_type_of(image: Image.Image) -> str:
    return Image.MIME[str(image.format)]


def test_the_package_offers_the_probe_alone() -> None:
    assert package.__all__ == ["probe"]


# What it tells


@pytest.mark.parametrize("size_px", [(1, 1), (3, 2), (53, 37), (1300, 7)], ids=str)
@pytest.mark.parametrize(("file_format", "mode", "bytes_per_px", "options"), REAL)
def test_size_and_depth_agree_with_a_decoder(
    file_format: str, mode: str, bytes_per_px: int, options: dict[str, Any], size_px: tuple[int, int]
) -> None:
    data = pictures.picture(file_format, mode, *size_px, **options)

    header = probe(data)

    media_type = Image.MIME[file_format]
    assert astuple(header) == (media_type, *size_px, 1, size_px[0] * size_px[1], bytes_per_px)
    assert opened(data).size == size_px


@pytest.mark.parametrize("frames", [2, 5])
@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_frames_agree_with_a_decoder(file_format: str, frames: int) -> None:
    data = pictures.animation(file_format, 40, 30, frames)

    header = probe(data)

    assert (header.frames, header.total_px) == (frames, frames * 1200)
    assert getattr(opened(data), "n_frames", 1) == frames


@pytest.mark.parametrize("name", SMALL)
def test_the_small_files_of_these_tests_are_what_a_decoder_takes_them_for(name: str) -> None:
    image = opened(SMALL[name])

    header = probe(SMALL[name])

    assert (header.media_type, header.width_px, header.height_px) == (media_type_of(image), *image.size)
    assert header.frames == getattr(image, "n_frames", 1)


@pytest.mark.parametrize("name", SMALL)
def test_bytes_behind_a_picture_do_not_matter(name: str) -> None:
    data = SMALL[name]

    assert probe(data + b"\0" * 9) == probe(data + b"<html>, ! ;" * 1000) == probe(data)


@pytest.mark.parametrize("name", SMALL)
def test_any_kind_of_buffer_is_read_alike(name: str) -> None:
    data = SMALL[name]
    spread = bytes(octet for pair in zip(data, data, strict=True) for octet in pair)

    assert probe(bytearray(data)) == probe(memoryview(data)) == probe(memoryview(spread)[::2]) == probe(data)


def test_the_vendors_sample_of_two_pngs_back_to_back_is_a_png() -> None:
    data = pictures.double_png()

    header = probe(data)

    assert data[546:554] == pictures.PNG_SIGNATURE
    assert header == Header("image/png", 200, 200, 1, 40_000, 3)


def test_a_jpeg_is_measured_past_the_thumbnail_in_its_exif() -> None:
    exif = b"Exif\0\0" + pictures.jpeg(160, 120)
    data = b"\xff\xd8" + pictures.jpeg_segment(0xE1, exif) + pictures.jpeg(640, 480)[2:]

    header = probe(data)

    assert (header.width_px, header.height_px) == opened(data).size == (640, 480)


@pytest.mark.parametrize("before", [b"\xff" * 99, b"\xff\x01\xff\xd0", b"stray\xff\0"], ids=["fill", "bare", "stray"])
def test_a_jpeg_may_have_fill_bytes_and_bare_markers_between_its_segments(before: bytes) -> None:
    segment = pictures.jpeg_segment(0xDB, bytes(65))

    header = probe(pictures.jpeg_claiming(30, 20, segment + before))

    assert (header.width_px, header.height_px) == (30, 20)


@pytest.mark.parametrize("marker", [*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)])
def test_every_frame_marker_of_a_jpeg_counts(marker: int) -> None:
    tables = b"".join(pictures.jpeg_segment(other, bytes(20)) for other in KNOWN_MARKERS)

    header = probe(pictures.jpeg_claiming(30, 20, tables, marker=marker, precision=12))

    assert header == Header("image/jpeg", 30, 20, 1, 600, 6)


def test_the_first_picture_of_an_apng_counts_although_it_is_no_frame() -> None:
    data = pictures.apng(2, first_is_frame=False)

    assert probe(data).frames == getattr(opened(data), "n_frames", 1) == 3


@pytest.mark.parametrize(
    ("colour", "depths", "bytes_per_px"),
    [
        *[(0, (1, 2, 4, 8), 1), (2, (8,), 3), (3, (1, 2, 4, 8), 3), (4, (8,), 2), (6, (8,), 4)],
        *[(0, (16,), 2), (2, (16,), 6), (4, (16,), 4), (6, (16,), 8)],
    ],
)
def test_a_png_has_one_byte_a_sample_and_with_sixteen_bits_two(
    colour: int, depths: tuple[int, ...], bytes_per_px: int
) -> None:
    assert {probe(pictures.png_claiming(3, 2, depth, colour)).bytes_per_px for depth in depths} == {bytes_per_px}


def test_a_png_may_be_interlaced() -> None:
    header = pictures.png_chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 1))

    assert probe(pictures.png_around(pictures.PNG_SIGNATURE + header, bytes(9))).width_px == 3


def test_a_gif_frame_outside_the_screen_stretches_the_canvas() -> None:
    data = pictures.gif_screen(3, 2) + pictures.gif_frame(10, 20, 1, 1) + pictures.gif_frame() + b";"

    header = probe(data)

    assert header == Header("image/gif", 11, 21, 2, 2 * 11 * 21, 4)
    assert opened(data).size == (11, 21)


def test_gif_frames_behind_stray_bytes_are_counted_as_decoders_count_them() -> None:
    data = pictures.gif_screen(3, 2) + (pictures.gif_frame() + bytes(5_000)) * 3 + b";"

    assert probe(data).frames == getattr(opened(data), "n_frames", 1) == 3


def test_a_gif_without_its_trailer_is_taken() -> None:
    assert probe(pictures.gif(frames=2)[:-1]).frames == 2


def test_a_gif_is_walked_through_blocks_of_every_length() -> None:
    blocks = b"\2" + b"".join(bytes([length]) * (length + 1) for length in range(1, 256)) + b"\0"
    frame = pictures.gif_frame(blocks=blocks) + b"!\xfe" + b"\5comme\2nt\0"

    assert probe(pictures.gif_screen(3, 2) + frame * 2 + b";").frames == 2


def test_a_webp_is_as_large_as_the_larger_of_canvas_and_bitstream() -> None:
    still = pictures.webp_around(pictures.webp_canvas_chunk(30, 2), pictures.webp_lossless_chunk(3, 20))
    moving = pictures.webp_around(pictures.webp_canvas_chunk(3, 2), pictures.webp_frame_chunk(10, 20, 4, 5))

    assert probe(still) == Header("image/webp", 30, 20, 1, 600, 3)
    assert probe(moving) == Header("image/webp", 14, 25, 1, 350, 4)


def test_a_lossless_webp_says_whether_it_is_transparent() -> None:
    assert probe(pictures.webp_around(pictures.webp_lossless_chunk(3, 2, alpha=True))).bytes_per_px == 4


def test_an_avif_grid_is_as_large_as_its_largest_item() -> None:
    header = probe(pictures.avif_claiming(512, 512, pictures.item_size(2000, 1000), pictures.item_size(160, 80)))

    assert header == Header("image/avif", 2000, 1000, 1, 2_000_000, 3)


@pytest.mark.parametrize(
    "property_", [pictures.box(b"pixi", b"\0\0\0\0\3\x0a\x08\x08"), pictures.box(b"av1C", b"\x81\0\x4c\0")]
)
def test_more_than_eight_bits_double_the_bytes_of_an_avif(property_: bytes) -> None:
    alpha = pictures.box(b"auxC", b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")

    assert probe(pictures.avif_claiming(3, 2, property_)).bytes_per_px == 6
    assert probe(pictures.avif_claiming(3, 2, property_, alpha)).bytes_per_px == 8


@pytest.mark.parametrize("brands", [(b"mif1", b"avif"), (b"msf1", b"mif1", b"avif"), (b"avif",)])
def test_an_avif_is_known_by_any_of_its_brands(brands: tuple[bytes, ...]) -> None:
    data = pictures.brands(*brands) + pictures.item_boxes(pictures.item_size(3, 2))

    assert probe(data).media_type == "image/avif"


def test_boxes_may_have_long_sizes_and_the_last_one_none() -> None:
    items = pictures.item_boxes(pictures.item_size(3, 2))
    long = struct.pack(">I4sQ", 1, b"free", 20) + bytes(4)

    assert probe(pictures.brands(b"avif") + long + bytes(4) + items[4:]).height_px == 2


def test_the_samples_of_an_avif_sequence_are_its_frames() -> None:
    run = pictures.box(b"stsc", struct.pack(">4xIIII", 1, 1, 500, 1))
    chunks = pictures.box(b"stco", struct.pack(">4xI", 7) + bytes(28))
    counted = pictures.track_boxes(30, 20, pictures.sample_sizes(2), run, chunks)
    lying = pictures.track_boxes(30, 20, pictures.sample_sizes(1, common_size_bytes=1), run, chunks)

    assert probe(pictures.brands(b"avis") + counted) == Header("image/avif", 30, 20, 2, 1200, 4)
    assert probe(pictures.brands(b"avis") + lying).frames == 3500


def test_an_avif_track_may_have_the_long_header() -> None:
    header = pictures.box(b"tkhd", b"\1", bytes(87), struct.pack(">II", 30 << 16, 20 << 16))
    data = pictures.brands(b"avis") + pictures.box(b"moov", pictures.box(b"trak", header))

    assert (probe(data).width_px, probe(data).height_px) == (30, 20)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_is_as_large_as_its_largest_page_and_costs_the_sum_of_all(order: str) -> None:
    header = probe(pictures.tiff_of_pages([(100, 1), (50, 40), (7, 7)], order))

    assert header == Header("image/tiff", 50, 40, 3, 100 + 2000 + 49, 1)


def test_of_a_tiff_tag_the_largest_value_counts_wherever_it_stands() -> None:
    sides = struct.pack("<HHIIHHIIHHII", 256, 16, 1, 74, 257, 3, 1, 20, 257, 4, 1, 10)
    depths = struct.pack("<HHIIHHII", 258, 3, 40, 82, 277, 1, 1, 2)
    values = struct.pack("<QHHH", 30, 8, 17, 8) + bytes(80)

    header = probe(b"II*\0\x08\0\0\0\5\0" + sides + depths + bytes(4) + values)

    assert header == Header("image/tiff", 30, 20, 1, 600, 6)


def test_a_bigtiff_of_the_other_byte_order_is_read_too() -> None:
    tags = struct.pack(">HHQH6xHHQIxxxx", 256, 3, 1, 30, 257, 4, 1, 20)

    header = probe(b"MM\0+" + struct.pack(">HHQQ", 8, 0, 16, 2) + tags + bytes(8))

    assert header == Header("image/tiff", 30, 20, 1, 600, 1)


def test_the_deepest_page_of_a_tiff_counts() -> None:
    shallow, deep = (struct.pack("<HHIH", 258, 3, 1, bits) for bits in (8, 16))

    assert probe(pictures.tiff(pages=2).replace(shallow, deep, 1)).bytes_per_px == 2


def test_a_line_of_pixels_does_not_hide_behind_a_larger_tiff_page() -> None:
    header = probe(pictures.tiff_of_pages([(7000, 7000), (1, 40_000_000)]))

    assert header.height_px == 40_000_000


@pytest.mark.parametrize(("bits", "bytes_per_px"), [(1, 3), (2, 3), (4, 3), (8, 3), (16, 3), (24, 3), (32, 4)])
def test_a_bmp_takes_three_bytes_a_pixel_and_with_alpha_four(bits: int, bytes_per_px: int) -> None:
    assert probe(pictures.bmp_claiming(3, 2, bits)).bytes_per_px == bytes_per_px


def test_a_bmp_may_run_from_top_to_bottom() -> None:
    header = probe(pictures.bmp_claiming(30, -20, 32, 124))

    assert header == Header("image/bmp", 30, 20, 1, 600, 4)


def test_a_polyglot_is_what_its_first_bytes_make_it() -> None:
    script = b"!\xfe\x1c<script>alert(1)</script>   \0"
    data = pictures.gif_screen(3, 2) + script + pictures.gif_frame() + b";" + pictures.html()

    assert probe(data).media_type == media_type_of(opened(data)) == "image/gif"
