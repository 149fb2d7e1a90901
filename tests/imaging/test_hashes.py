"""Placeholders, fingerprints and the colour there is most of."""

import random

import pytest
from PIL import Image

import scenes
from packshot.imaging.hashes import distance, dominant_colour, fingerprint, thumbhash

# Computed by another implementation of ThumbHash.
RAMPS = {
    (32, 24): "de070a3d9a8087888078887778678777717008f887",
    (24, 32): "def7093d1a7077707887786887877888818007f778",
    (32, 1): "54f62a71bc8687788888087964874f8808",
    (9, 32): "9ee709321a80807778777877717008f777",
}


def ramp(width_px: int, height_px: int) -> bytes:
    noise = random.Random(4)
    return bytes(
        value
        for y in range(height_px)
        for x in range(width_px)
        for value in (int(255 * x / width_px), int(255 * y / height_px), noise.randrange(256), 255)
    )


def of_one_colour(red: int, green: int, blue: int, alpha: int, pixels: int = 1024) -> bytes:
    return bytes([red, green, blue, alpha]) * pixels


def grey_of(name: str) -> bytes:
    image = scenes.still_life()
    changed = {
        "as it is": lambda: image,
        "smaller": lambda: image.resize((300, 200)),
        "darker": lambda: image.point(lambda value: value * 0.8),
        "turned": lambda: image.rotate(90, expand=True),
        "mirrored": lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "another": lambda: scenes.corners(960, 640),
    }[name]()
    return changed.convert("L").resize((32, 32)).tobytes()


@pytest.mark.parametrize("size", RAMPS)
def test_thumbhashes_agree_with_another_implementation(size: tuple[int, int]) -> None:
    assert thumbhash(*size, ramp(*size)).hex() == RAMPS[size]


def test_a_picture_of_one_colour_is_nothing_but_its_mean() -> None:
    found = thumbhash(32, 32, of_one_colour(255, 0, 0, 255))

    head = int.from_bytes(found[:3], "little")
    assert (head & 63, head >> 6 & 63, head >> 12 & 63, head >> 18) == (21, 47, 63, 0)
    assert not any(found[5:])


def test_a_transparent_picture_says_so_and_hides_its_colours() -> None:
    half = of_one_colour(0, 0, 255, 255, 16) + of_one_colour(255, 0, 0, 0, 16)

    found = thumbhash(32, 32, half * 32)

    head = int.from_bytes(found[:3], "little")
    assert head >> 23 == 1
    assert (head & 63, head >> 6 & 63, head >> 12 & 63) == (21, 0, 32)
    assert found[5] & 15 in {7, 8}


@pytest.mark.parametrize("size", [(1, 1), (32, 1), (1, 32), (32, 32)])
@pytest.mark.parametrize("alpha", [0, 1, 255])
def test_whatever_the_size_there_is_a_thumbhash(size: tuple[int, int], alpha: int) -> None:
    assert 5 < len(thumbhash(*size, of_one_colour(9, 99, 255, alpha, size[0] * size[1]))) <= 25


@pytest.mark.parametrize("name", ["smaller", "darker"])
def test_pictures_that_look_alike_have_nearly_one_fingerprint(name: str) -> None:
    assert distance(fingerprint(grey_of("as it is")), fingerprint(grey_of(name))) <= 4


@pytest.mark.parametrize("name", ["turned", "mirrored", "another"])
def test_pictures_that_do_not_look_alike_have_others(name: str) -> None:
    assert distance(fingerprint(grey_of("as it is")), fingerprint(grey_of(name))) >= 16


def test_an_even_picture_has_the_fingerprint_of_no_waves() -> None:
    assert fingerprint(bytes([7]) * 1024) == fingerprint(bytes([250]) * 1024) == 1


def test_the_dominant_colour_is_that_of_most_pixels_that_are_seen() -> None:
    mostly_red = of_one_colour(200, 30, 30, 255, 60) + of_one_colour(204, 26, 30, 255, 20)
    rest = of_one_colour(255, 255, 255, 255, 70) + of_one_colour(0, 255, 0, 0, 500)

    assert dominant_colour(mostly_red + rest) == (201, 29, 30)
    assert dominant_colour(of_one_colour(0, 255, 0, 0)) == (255, 255, 255)
