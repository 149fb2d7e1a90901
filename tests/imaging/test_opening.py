"""What cannot be decoded within a worker's means is refused before it is decoded."""

import time
from collections.abc import Callable

import pytest

import bombs
import pictures
import scenes
from packshot.domain.errors import ImageTooLarge, UndecodableImage
from packshot.domain.originals import Header
from packshot.domain.renditions import RenditionSpec
from packshot.imaging.examine import examine
from packshot.imaging.opening import opened
from packshot.imaging.probe import probe
from packshot.imaging.render import render


def looked_at(data: bytes) -> object:
    return examine(memoryview(data), probe(data), decode=True)


def rendered(data: bytes) -> object:
    return render(memoryview(data), probe(data), RenditionSpec(50))


DECODES = pytest.mark.parametrize("decode", [looked_at, rendered])


def scan_starts(data: bytes) -> list[int]:
    return [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]


@DECODES
def test_a_jpeg_may_have_a_hundred_scans(decode: Callable[[bytes], object]) -> None:
    decode(bombs.jpeg_of_lawful_scans(100, 1_600))

    with pytest.raises(ImageTooLarge) as caught:
        decode(bombs.jpeg_of_lawful_scans(101, 1_600))

    assert (caught.value.limit, caught.value.actual, caught.value.unit) == (100, 101, "scans")


@DECODES
@pytest.mark.parametrize(
    "between", [b"\xff" * 99, b"\xff\x02\xff\xff", b"\xff\x01\xff\xff", b"\xff\xd3\xff\xff", b"\xff\0\xda", b"\xff"]
)
def test_no_bytes_between_scans_hide_those_that_follow(between: bytes, decode: Callable[[bytes], object]) -> None:
    data = bombs.jpeg_of_lawful_scans(200, 1_600)
    second = scan_starts(data)[1]

    with pytest.raises(ImageTooLarge):
        decode(data[:second] + between + data[second:])


@DECODES
def test_what_looks_like_a_scan_inside_a_segment_or_behind_the_end_is_none(decode: Callable[[bytes], object]) -> None:
    comment = pictures.jpeg_segment(0xFE, b"\xff\xda\0\2" * 200)
    data = pictures.jpeg(60, 40, progressive=True)

    decode(data[:2] + comment + data[2:] + b"\xff\xda\0\2" * 200)


@pytest.mark.parametrize("fill", [b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\x02"])
def test_the_time_to_count_scans_grows_with_the_file_and_no_faster(fill: bytes) -> None:
    data = pictures.jpeg(60, 40, progressive=True)
    second = scan_starts(data)[1]
    started_s = time.thread_time()

    with pytest.raises(UndecodableImage):
        rendered(data[:second] + fill * 1_000_000 + b"\0")

    assert time.thread_time() - started_s < 5


@DECODES
def test_a_flood_of_segments_is_called_damage(decode: Callable[[bytes], object]) -> None:
    data = pictures.jpeg(60, 40)

    with pytest.raises(UndecodableImage, match="parts"):
        decode(data[:-2] + b"\xff\xfe\0\2" * 60_000 + data[-2:])


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.99])
def test_a_progressive_jpeg_that_is_cut_off_has_no_rendition(part: float) -> None:
    data = pictures.encoded(scenes.still_life(), "JPEG", progressive=True)

    with pytest.raises(UndecodableImage):
        render(memoryview(data)[: int(len(data) * part)], probe(data), RenditionSpec(100))


@pytest.mark.parametrize(
    ("header", "limit", "unit"),
    [
        (Header("image/avif", 6_001, 5_000), 30_000_000, "pixels as AVIF"),
        (Header("image/webp", 6_001, 4_000, frames=2), 24_000_000, "pixels as animated WebP"),
        (Header("image/webp", 10_000, 5_001), 50_000_000, "pixels as WEBP"),
        (Header("image/gif", 16_000, 15_625), 100_000_000, "pixels as GIF"),
    ],
)
def test_a_picture_that_its_decoder_cannot_hold_is_too_large(header: Header, limit: int, unit: str) -> None:
    with pytest.raises(ImageTooLarge) as caught:
        opened(memoryview(b""), header)

    assert (caught.value.limit, caught.value.unit) == (limit, unit)
