"""What a print file costs a real server when it is shown: its public copy, about as long as itself, and a preset."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pyvips  # type: ignore[import-untyped]

from packshot.domain.images import keyed_address, public_path
from packshot.imaging.probe import probe
from packshot.protocols.body import BodyLimits
from serving import Server, serving

MB = 1_000_000
WIDTH_PX = 16_000
ROWS = 128
"""Of one stripe of noise; a print file is many of them, one below the other."""
WEB_BYTES = 150 * MB + 3 * BodyLimits().in_flight_bytes
WORKER_BYTES = 768 * MB
GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
ENVIRONMENT = {
    "PACKSHOT_INTAKE_VERIFY": "full",
    "PACKSHOT_ORIGINALS_PRIVACY": "strip_location",
    "PACKSHOT_WORKERS_COUNT": "1",
    # However busy the machine is: this is about memory.
    "PACKSHOT_WORKERS_JOB_S": "120",
}


def noise() -> pyvips.Image:
    bands = [pyvips.Image.gaussnoise(WIDTH_PX, ROWS, mean=128, sigma=24, seed=seed) for seed in (1, 2, 3)]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


def jpeg(path: Path, stripes: int) -> None:
    """The same coded stripe over and over again, each row of blocks for itself between restarts."""
    data = noise().jpegsave_buffer(Q=99, restart_interval=WIDTH_PX // 8, subsample_mode="off", keep="none")
    frame_at, scan_at = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    pixels_at = scan_at + 2 + int.from_bytes(data[scan_at + 2 : scan_at + 4], "big")
    with path.open("wb") as file:
        file.write(data[: frame_at + 5] + (stripes * ROWS).to_bytes(2, "big") + data[frame_at + 7 : pixels_at])
        # Restarts are counted in a circle of eight, and a stripe has two of these.
        file.writelines([data[pixels_at:-2] + b"\xff\xd7"] * (stripes - 1))
        file.write(data[pixels_at:])


def png(path: Path, stripes: int) -> None:
    """Uncompressed."""
    noise().replicate(1, stripes).pngsave(str(path), compression=0, filter="none")


def tiff(path: Path, stripes: int) -> None:
    """Uncompressed, but its stripes overlap: on paper it has two and a half times as many pixels as bytes."""
    stripe = bytes(noise().write_to_memory())
    step_bytes = len(stripe) * 2 // 5
    places = [8 + number * step_bytes for number in range(stripes)]
    size_bytes = places[-1] + len(stripe)
    lists_at = size_bytes + size_bytes % 2
    lists = struct.pack(f"<{2 * stripes}I4H", *places, *[len(stripe)] * stripes, 8, 8, 8, 0)
    entries = [(256, 4, 1, WIDTH_PX), (257, 4, 1, stripes * ROWS), (258, 3, 3, lists_at + 8 * stripes)]
    entries += [(259, 3, 1, 1), (262, 3, 1, 2), (273, 4, stripes, lists_at), (277, 3, 1, 3), (278, 4, 1, ROWS)]
    entries += [(279, 4, stripes, lists_at + 4 * stripes)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<I", lists_at + len(lists)))
        for left in range(size_bytes - 8, 0, -step_bytes):
            file.write(stripe[: min(step_bytes, left)])
        file.seek(lists_at)
        file.write(lists + struct.pack("<H", len(entries)) + directory + bytes(4))


class Peaks(NamedTuple):
    """The most memory the web process had, and the most a worker had."""

    web_bytes: int
    worker_bytes: int


def peaks(server: Server) -> Peaks:
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    workers = [int(child) for task in tasks for child in task.read_text("ascii").split()]
    return Peaks(_peak_bytes(server.process.pid), max(map(_peak_bytes, workers)))


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def put(server: Server, path: Path) -> httpx.URL:
    """Upload it to FinerWorks' side; where its preview is shown."""
    keys = {name: server.facts[name] for name in ("web_api_key", "app_key")}
    address = f"{server.base_url}/packshot/v3/images/{GUID}?file_name={path.name}"
    with path.open("rb") as file:
        answer = httpx.put(address, content=file, headers=keys, timeout=300)
    (image,) = answer.raise_for_status().json()["images"]
    return httpx.URL(image["public_preview_uri"])


class Got(NamedTuple):
    """What is shown at an address: how many bytes, the first of them, and their type."""

    size_bytes: int
    first: bytes
    media_type: str


def got(address: str) -> Got:
    """All of it, but never more than a piece of it at a time."""
    with httpx.stream("GET", address, timeout=300) as answer:
        assert answer.status_code == 200, answer.read()
        pieces = answer.iter_raw(65_536)
        first = next(pieces)
        return Got(len(first) + sum(map(len, pieces)), first, answer.headers["content-type"])


LARGE = pytest.mark.long


@pytest.mark.parametrize(
    ("make", "stripes"),
    [
        (jpeg, 5),
        (png, 5),
        (tiff, 12),
        pytest.param(jpeg, 58, marks=LARGE),
        pytest.param(png, 47, marks=LARGE),
        pytest.param(tiff, 117, marks=LARGE),
    ],
)
def test_a_print_file_and_its_copy_fit_into_the_memory_of_server_and_worker(
    make: Callable[[Path, int], None], stripes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"print.{make.__name__}"
    make(path, stripes)
    with serving(tmp_path / "data", environment=ENVIRONMENT) as server:
        before = peaks(server)
        preview = put(server, path)
        key, name = preview.path.split("/")[2::2]

        shown = got(str(preview))
        copy = got(f"{server.base_url}{public_path(keyed_address(key), name)}")
        after = peaks(server)

    original_bytes = path.stat().st_size
    with capsys.disabled():
        sys.stdout.write(
            f"\n{original_bytes / MB:.0f} MB {make.__name__}, copy of {copy.size_bytes / MB:.0f} MB:"
            f" web {after.web_bytes / MB:.0f} MB ({before.web_bytes / MB:.0f} before),"
            f" worker {after.worker_bytes / MB:.0f} MB "
        )
    assert copy.media_type == ("image/png" if make is png else "image/jpeg")
    assert probe(shown.first).width_px == 1_200
    assert (probe(copy.first).width_px, probe(copy.first).height_px) == (WIDTH_PX, stripes * ROWS)
    assert 0.7 * original_bytes < copy.size_bytes <= original_bytes
    # Neither holds more than that: a piece of it the one, original and copy and what computing takes the other.
    assert after.web_bytes - before.web_bytes < 10 * MB
    assert after.worker_bytes < 110 * MB + 2 * original_bytes
    assert after.web_bytes < WEB_BYTES
    assert after.worker_bytes < WORKER_BYTES
