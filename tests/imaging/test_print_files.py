"""Print files of 250 megapixels have renditions and public copies within the memory a worker has."""

import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import pyvips  # type: ignore[import-untyped]

WORKER_BYTES = 1 << 30
UPLOAD_BYTES = 300_000_000

CHILD = """
import mmap, resource, sys
from packshot.domain.renditions import parse_key
from packshot.imaging.copies import copied
from packshot.imaging.examine import examine
from packshot.imaging.probe import probe
from packshot.imaging.render import render

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
with open(sys.argv[2], "rb") as file:
    source = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
header = probe(source)
found = examine(source, header, decode=True)
for text in ("400x400.jpeg", "2400x2400.webp", "1000x1000-cover-at10,90.png"):
    made = render(source, header, parse_key(text))
    print(found.width_px, found.height_px, made.width_px, made.height_px)
copy = probe(copied(source, header, "no location").data)
print(copy.width_px, copy.height_px, copy.media_type)
# Not ru_maxrss, which a process has from the one that started it.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def print_file(folder: pathlib.Path, name: str, **options: Any) -> pathlib.Path:
    """16 000 by 15 625 pixels, every row as colourful as the one before."""
    row = pyvips.Image.xyz(16_000, 1)[0]
    stripes = (row % 251).bandjoin([row % 241, row % 239]).cast("uchar")
    path = folder / name
    stripes.replicate(1, 15_625).copy(interpretation="srgb").write_to_file(str(path), **options)
    # As long as a print file may be: what follows the picture costs room in a worker, too.
    os.truncate(path, UPLOAD_BYTES)
    return path


@pytest.mark.parametrize(
    ("name", "options", "copy"),
    [
        ("print.jpeg", {"Q": 60}, "image/jpeg"),
        ("print.png", {"compression": 1, "filter": "up"}, "image/png"),
        ("print.tiff", {"compression": "deflate", "tile": True}, "image/jpeg"),
    ],
)
def test_a_print_file_has_renditions_and_a_copy_within_a_workers_memory(
    name: str, options: dict[str, Any], copy: str, tmp_path: pathlib.Path
) -> None:
    path = print_file(tmp_path, name, **options)

    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(WORKER_BYTES), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"MALLOC_ARENA_MAX": "2", "VIPS_CONCURRENCY": "1"},
    )

    assert child.stderr == ""
    *sizes, peak_kb = child.stdout.splitlines()
    assert sizes == [
        "16000 15625 400 391",
        "16000 15625 2400 2344",
        "16000 15625 1000 1000",
        f"16000 15625 {copy}",
    ]
    assert int(peak_kb) < WORKER_BYTES // 1024
