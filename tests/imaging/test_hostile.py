"""Uploads that mean harm come to what is promised for them: most by their header, the rest when they are decoded."""

import io
import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

import pytest
from PIL import Image, ImageOps

import decode_each
import hostile
from hostile import Hostile, Promise
from packshot.domain.errors import UnacceptableImage
from packshot.domain.originals import ImageLimits, check_header, check_size
from packshot.imaging.probe import probe
from packshot.imaging.strip import strip

FILES = hostile.hostile_files()
TAKEN = [name for name, file in FILES.items() if file.header == "taken"]
LIMITS = ImageLimits()
MEMORY_MB = 768
"""What a worker may hold, whatever is uploaded."""


class Decoded(NamedTuple):
    became: str
    cpu_s: float
    peak_mb: int


def judged(data: bytes) -> Promise:
    """What the probe and the limits say."""

    def look() -> None:
        check_size(len(data), LIMITS)
        check_header(probe(data), LIMITS)

    return decode_each.became(look)


@pytest.fixture(scope="session")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Decoded]:
    """What became of all files that their headers let through, each decoded in a process under limits."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(TAKEN):
        (folder / str(number)).write_bytes(FILES[name].make())
    command = [sys.executable, decode_each.__file__, str(folder)]
    environment = os.environ | {"VIPS_BLOCK_UNTRUSTED": "1"}
    answer = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    lines = (json.loads(line) for line in answer.splitlines())
    return {TAKEN[int(number)]: Decoded(*told) for number, *told in lines}


@pytest.mark.parametrize("name", FILES)
def test_probe_and_limits_say_what_is_promised_without_taking_long(name: str) -> None:
    file: Hostile = FILES[name]
    data = file.make()
    started_s = time.thread_time()

    verdict = judged(data)

    assert time.thread_time() - started_s < 0.1
    assert verdict == file.header or (file.header == "given up" and verdict in {"damaged", "not kept"})


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_header_lets_through_comes_to_what_is_promised_when_decoded(
    name: str, decoded: dict[str, Decoded]
) -> None:
    found = decoded[name]

    assert found.became in FILES[name].picture
    assert found.peak_mb < MEMORY_MB


@pytest.mark.parametrize("name", TAKEN)
def test_the_stripper_copies_what_the_header_lets_through_or_refuses_it(name: str) -> None:
    data = FILES[name].make()

    try:
        copy = strip(data, probe(data).media_type, "no location")
    except UnacceptableImage:
        copy = None

    if copy is not None:
        assert hostile.SCRIPT not in copy
        assert hostile.PHP not in copy
        assert len(copy) <= len(data) + 2


@pytest.mark.parametrize("name", [name for name in hostile.POLYGLOTS if name in TAKEN])
def test_no_copy_of_a_file_of_two_kinds_holds_the_second(name: str) -> None:
    data = FILES[name].make()
    copy = strip(data, probe(data).media_type, "no location")

    assert copy is None or not any(text in copy for text in (b"script", b"alert", b"php", b"PK\3\4", b"%PDF"))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", hostile.ORIENTATIONS)
def test_every_orientation_shows_its_corners_where_they_belong_once_turned(file_format: str, orientation: int) -> None:
    data = hostile.oriented(file_format, orientation)

    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")

    assert judged(data) == "taken"
    for corner, colour in hostile.CORNERS.items():
        place = (upright.width - 8 if "right" in corner else 8, upright.height - 8 if "bottom" in corner else 8)
        assert upright.getpixel(place) == pytest.approx(colour, abs=12), corner


def test_the_rows_have_names_of_their_own() -> None:
    tables = (hostile.BOMBS, hostile.FLOODS, hostile.POLYGLOTS, hostile.DELEGATES, hostile.DAMAGED, hostile.ODD)

    assert len(FILES) == sum(map(len, tables))


def test_every_file_is_the_same_when_it_is_made_again() -> None:
    quick = {**hostile.DAMAGED, **hostile.ODD, **hostile.POLYGLOTS, **hostile.DELEGATES}

    assert [file.make() for file in quick.values()] == [file.make() for file in quick.values()]
