"""Files and commands of the how-to, exactly as they stand there: tests, seed files, recorded calls, libraries."""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pictures import jpeg
from serving import PACKSHOT, serving

HOW_TO = (Path(__file__).parent.parent / "docs" / "how-to.md").read_text("utf-8")
SECTIONS = ("Use Packshot in your tests", "Begin with your own catalogue", "See what went over the wire")


def _section(name: str) -> str:
    return HOW_TO.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


TEXT = "".join(_section(name) for name in SECTIONS)
FILES = re.findall(r"```(?:toml|ini|python)\n# (\S+)\n(.*?)```", TEXT, re.DOTALL)
SHOWN = re.compile(r"```sh\n((?:(?!```).)*)```\n+```text\n(.*?)```", re.DOTALL)
"""Commands, and what they print."""

COMMANDS = SHOWN.findall(TEXT)


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


@pytest.mark.needs("curl")
@pytest.mark.parametrize(
    "sections",
    [
        ("Call it as FinerWorks is called", "Look before you delete"),
        ("Upload print files", "Tell the server what matters in a picture"),
        ("Show pictures in the sizes you need",),
    ],
)
def test_a_library_is_used_as_it_says(tmp_path: Path, sections: tuple[str, ...]) -> None:
    (tmp_path / "dunes.jpg").write_bytes(jpeg())
    commands, expected = zip(*SHOWN.findall("".join(map(_section, sections))), strict=True)
    with serving(tmp_path / "data") as server:
        httpx.post(f"{server.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Dunes"}})
        script = "set -o pipefail -e\n" + "echo ---\n".join(commands)
        script = script.replace(".venv/bin/packshot", shlex.join(PACKSHOT))
        script = script.replace("https://pictures.example", server.base_url)
        keys = {name.upper(): server.facts[name] for name in ("web_api_key", "app_key")}

        done = subprocess.run(
            ["bash", "-c", script], env=os.environ | keys,
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.split("---\n") == list(expected)


def _without_chance(text: str) -> str:
    """What differs from run to run as the how-to shows it."""
    first = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z  (.*)  \d+\.\d ms  \w+$"
    return re.sub(first, r"TIME  \1  TOOK  ID", text, flags=re.MULTILINE)
