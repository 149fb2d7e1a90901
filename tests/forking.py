"""Commands in processes of their own, without half a second of imports for each: they are forked from one process."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_SERVER = """
import json, os, sys
from packshot.cli import main

for line in sys.stdin:
    arguments, environment, folder, place = json.loads(line)
    if not os.fork():
        for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
            os.dup2(os.open(f"{place}/{name}", os.O_RDWR), descriptor)
        sys.stdin = open(0)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["packshot", *arguments]
        sys.exit(main())
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def run(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, typed: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run one packshot command to its end, with *typed* as its input."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as place:
        for name, content in (("stdin", typed), ("stdout", ""), ("stderr", "")):
            (Path(place) / name).write_text(content, "utf-8")
        code = _ask([words, {**os.environ, **(environment or {})}, str(Path.cwd()), place])
        printed = [(Path(place) / name).read_text("utf-8") for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess(words, code, *printed)


def _ask(job: list[object]) -> int:
    server = _started()
    assert server.stdin
    assert server.stdout
    server.stdin.write(json.dumps(job) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _started() -> "subprocess.Popen[str]":
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # its input ends, and with it the process
    return server
