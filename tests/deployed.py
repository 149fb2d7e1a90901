"""What the tests of deploy/ read it with, and run its nginx with."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import typer

from bucket import free_port
from packshot import config
from packshot.cli import cli

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
HOST = "pictures.example"
NEWER = (" resolve ", "http2 on;", "resolver 127.0.0.11 valid=5s;")
"""What Debian's nginx is too old for, or what only Docker has."""
OPTIONS = {
    str(parameter.envvar)
    for parameter in typer.main.get_command(cli).commands["serve"].params  # type: ignore[attr-defined]
}


def documents(text: str) -> list[Any]:
    """The documents of a YAML text, by a program that knows all of YAML."""
    done = subprocess.run(["yq", "--compact-output", "."], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def settings_of(environment: Mapping[str, str]) -> config.Settings:
    """What a server makes of these variables; each of ours among them means something to it."""
    names = {name for name in environment if name.startswith(config.PREFIX)}
    assert names <= OPTIONS | settings_names()
    return config.load(environment=environment)


def settings_names() -> set[str]:
    """The variable of every setting."""
    return {f"{config.PREFIX}{section}_{name}".upper() for section, name in config._names()}  # noqa: SLF001


def prepared(folder: Path) -> dict[str, str]:
    """What `prepare.sh` writes into `.env` there, as Compose reads it."""
    script = folder / "prepare.sh"
    script.write_bytes((DEPLOY / "prepare.sh").read_bytes())
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run(["sh", script, HOST], check=True, capture_output=True, env=environment)
    return variables(folder / ".env")


def composed(values: Mapping[str, str]) -> Any:
    """`compose.yaml` with the values of `.env` in it."""
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    text = re.sub(r"\$\{(\w+):\?[^}]+\}", lambda found: values[found[1]], text)
    assert "$" not in text  # nothing has a value to fall back to
    (content,) = documents(text)
    for service in content["services"].values():
        assert "<<" not in service
    return content


def variables(file: Path) -> dict[str, str]:
    """The lines of a file of variables."""
    return dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile, one instruction after the other."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n", "", text).splitlines() if line]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def image_environment() -> dict[str, str]:
    """What the image itself sets."""
    _, text = [line for line in instructions() if line[0] == "ENV"][-1]
    return dict(word.split("=", 1) for word in text.split())


@dataclass
class Front:
    """nginx, and what it has written."""

    client: httpx.Client
    folder: Path

    def lines(self, count: int) -> list[str]:
        """The first *count* lines of its log; the last of them may come a moment after the answer."""
        end = time.monotonic() + 10
        while len(found := (self.folder / "stdout").read_text("utf-8").splitlines()) < count:
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found


def _configuration(folder: Path, data: Path, port: int, nodes: list[str]) -> str:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for newer in NEWER:
        assert newer in text
        text = text.replace(newer, " ")
    for written, real in (
        (" /tmp/", f" {folder}/"),
        ("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/run/secrets/", f"{folder}/secrets/"),
        ("/dev/std", f"{folder}/std"),
        ("/srv/packshot/blobs/", f"{data}/blobs/"),
        ("node1:8080", nodes[0]),
        ("node2:8080", nodes[1]),
    ):
        assert written in text
        text = text.replace(written, real)
    user = "user root;" if os.geteuid() == 0 else ""
    return f"daemon off; {user}\n{text}"


@contextmanager
def nginx(folder: Path, data: Path, nodes: list[str], change: Callable[[str], str] = str) -> Iterator[Front]:
    folder.mkdir()
    prepared(folder)
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(change(_configuration(folder, data, port, nodes)), "utf-8")
    process = subprocess.Popen(["nginx", "-c", file, "-p", folder], stderr=subprocess.PIPE, text=True)
    try:
        _wait(process, port)
        address = f"https://127.0.0.1:{port}"
        with httpx.Client(
            base_url=address, headers={"host": HOST}, verify=False, trust_env=False, timeout=30
        ) as client:
            yield Front(client, folder)
    finally:
        process.terminate()
        process.communicate(timeout=15)


def _wait(process: "subprocess.Popen[str]", port: int) -> None:
    end = time.monotonic() + 15
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise AssertionError(process.communicate()[1])
