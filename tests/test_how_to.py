"""The files and commands of the how-to about tests, seed files and recorded calls, exactly as they stand there."""

import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving import PACKSHOT

HOW_TO = (Path(__file__).parent.parent / "docs" / "how-to.md").read_text("utf-8")
SECTIONS = ("Use Packshot in your tests", "Begin with your own catalogue", "See what went over the wire")
TEXT = "".join(HOW_TO.partition(f"## {name}\n")[2].partition("\n## ")[0] for name in SECTIONS)
FILES = re.findall(r"```(?:toml|ini|python)\n# (\S+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```\n+```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES:
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def test_the_tests_pass_with_their_seed_file(folder: Path) -> None:
    plugin = ["-p", "no:packshot", "-p", "packshot.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugin, "-q"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("..")


@pytest.mark.needs("curl")
def test_the_commands_print_what_it_says(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = str(folder / "store")
    script = "echo ---\n".join(commands for commands, _ in COMMANDS)
    script = f"trap 'kill %1; wait' EXIT\nset -o pipefail -e\n{script}"
    for shown, real in (
        (".venv/bin/packshot", shlex.join(PACKSHOT)), ("8080", str(port)), ("/tmp/shop", store)
    ):  # fmt: skip
        script = script.replace(shown, real)

    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""
    printed = done.stdout.replace(store, "/tmp/shop").split("---\n")
    assert [_without_chance(text) for text in printed] == [expected for _, expected in COMMANDS]


def _without_chance(text: str) -> str:
    """What differs from run to run as the how-to shows it."""
    first = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z  (.*)  \d+\.\d ms  \w+$"
    return re.sub(first, r"TIME  \1  TOOK  ID", text, flags=re.MULTILINE)
