"""Decode every file of a folder as an image worker would, each in a process of its own under the worker's limits.

Run as a program: prints a line of JSON for each file, with what came of it, the processor time and the peak of memory.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.imaging.probe import probe

Became = Literal["taken", "too large", "not kept", "damaged"]

ADDRESS_SPACE_BYTES = 1 << 30
CPU_S = 10


def decode(data: bytes) -> Became:
    from packshot.imaging.examine import examine

    return became(lambda: examine(memoryview(data), probe(data), decode=True))


def became(look: Callable[[], object]) -> Became:
    """What a look at a file leads to, in one word."""
    try:
        look()
    except ImageTooLarge:
        return "too large"
    except UndecodableImage:
        return "damaged"
    except UnacceptableImage:
        return "not kept"
    return "taken"


def say(*told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def run(file: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    started_s = time.process_time()
    became = decode(file.read_bytes())
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    say(file.name, became, time.process_time() - started_s, peak_mb)


def main() -> None:
    for file in sorted(Path(sys.argv[1]).iterdir()):
        # Before anything of libvips has been loaded: its threads would not survive.
        child = os.fork()
        if not child:
            run(file)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            say(file.name, "died", CPU_S, 0)


if __name__ == "__main__":
    main()
