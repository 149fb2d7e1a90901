"""Drawn pictures are real ones, of the size that was asked for, and the same every time."""

import base64
import io
import os
import subprocess
import sys
from typing import get_args

import pytest
from PIL import Image, ImageChops, ImageStat

from packshot.imaging.probe import probe
from packshot.imaging.sketch import Colour, Subject, View, draw, tiny_png

BLUE: Colour = (62, 106, 150)
RED: Colour = (190, 60, 50)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def corner(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, 8, 8))


@pytest.mark.parametrize("subject", get_args(Subject))
def test_every_subject_stands_out_from_its_backdrop(subject: Subject) -> None:
    image = opened(draw(subject, RED, 120))

    low, high = zip(*ImageStat.Stat(image.convert("RGB")).extrema, strict=True)
    middle = ImageStat.Stat(image.crop((30, 30, 90, 110))).stddev
    edge = ImageStat.Stat(corner(image)).stddev

    assert min(low) < 120
    assert max(high) > 235
    assert max(middle) > 10 * max(edge)


def test_no_two_subjects_look_alike() -> None:
    images = [opened(draw(subject, BLUE, 64)) for subject in get_args(Subject)]

    differences = [
        sum(ImageStat.Stat(ImageChops.difference(one, other)).mean)
        for place, one in enumerate(images)
        for other in images[:place]
    ]

    assert min(differences) > 10


@pytest.mark.parametrize("view", get_args(View))
def test_every_view_shows_something_else(view: View) -> None:
    image = opened(draw("mug", BLUE, 64, view))

    others = [opened(draw("mug", BLUE, 64, other)) for other in get_args(View) if other != view]

    assert all(sum(ImageStat.Stat(ImageChops.difference(image, other)).mean) > 10 for other in others)


@pytest.mark.parametrize("side_px", [1, 7, 64, 333, 900, 1250])
def test_a_picture_is_a_square_jpeg_of_the_side_asked_for(side_px: int) -> None:
    header = probe(draw("bottle", BLUE, side_px))

    assert (header.media_type, header.width_px, header.height_px) == ("image/jpeg", side_px, side_px)


def test_a_picture_is_1200_pixels_wide_unless_told_otherwise() -> None:
    assert probe(draw("lamp", BLUE)).width_px == 1200


def test_a_product_has_the_colour_it_was_asked_in() -> None:
    red, green, blue = ImageStat.Stat(opened(draw("cushion", RED, 100)).crop((15, 40, 28, 60))).mean

    assert red > 1.8 * green
    assert red > 1.8 * blue


def test_the_backdrop_is_light() -> None:
    assert min(ImageStat.Stat(corner(opened(draw("vase", RED, 100)))).mean) > 200


def test_two_processes_draw_the_same_bytes() -> None:
    command = (
        "import sys; from packshot.imaging.sketch import draw; sys.stdout.buffer.write(draw('cap', (9, 99, 200), 80))"
    )

    elsewhere = [
        subprocess.run(
            [sys.executable, "-c", command], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "12"
    ]

    assert elsewhere == [draw("cap", (9, 99, 200), 80)] * 2


def test_pillow_is_loaded_by_the_first_product_and_not_before() -> None:
    command = (
        "import sys; from packshot.imaging import sketch; sketch.tiny_png();"
        "assert 'PIL' not in sys.modules; sketch.draw('mug', (1, 2, 3), 8); assert 'PIL' in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_the_tiny_picture_is_a_whole_png_of_16_by_16_pixels() -> None:
    image = Image.open(io.BytesIO(tiny_png()))
    image.verify()

    header = probe(tiny_png())

    assert (header.media_type, header.width_px, header.height_px) == ("image/png", 16, 16)


def test_the_tiny_picture_fits_into_a_command() -> None:
    assert len(tiny_png()) < 160
    assert len(base64.b64encode(tiny_png())) < 220


def test_the_tiny_picture_shows_a_blue_shirt_with_a_yellow_spot_on_a_light_ground() -> None:
    image = opened(tiny_png())

    sleeve, middle, ground = (image.getpixel(place) for place in ((4, 4), (8, 8), (0, 0)))

    assert (sleeve, middle, ground) == ((58, 112, 196), (252, 196, 84), (240, 242, 247))
