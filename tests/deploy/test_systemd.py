"""deploy/systemd: the units by systemd's own checks, and what image workers need of the walls around the server."""

import subprocess
import sys
from collections.abc import Iterable
from configparser import RawConfigParser
from pathlib import Path

import pytest

from deployed import DEPLOY, settings_of
from packshot.cli.common import EXIT_USAGE
from packshot.imaging import sandbox
from packshot.server import DRAIN_S, EXIT_DISK_FAILED

pytestmark = pytest.mark.needs("systemd-analyze")

WALLS = {"unshare", "capset", "prctl", "seccomp", "landlock_create_ruleset", "landlock_restrict_self", "memfd_create"}


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "systemd" / name)
    return parser


SERVICE = unit("packshot.service")["Service"]


def analyse(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def calls_of(words: Iterable[str]) -> set[str]:
    """The system calls of a filter, with those of the groups in it."""
    found: set[str] = set()
    for word in words:
        if word.startswith("@"):
            lines = analyse("syscall-filter", word).stdout.splitlines()[1:]
            found |= calls_of(line.strip() for line in lines if line.strip() and "#" not in line)
        else:
            found.add(word)
    return found


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in ("packshot.service", "packshot.socket"):
        text = (DEPLOY / "systemd" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/opt/packshot/bin/packshot", sys.executable), "utf-8")

    done = analyse("verify", tmp_path / "packshot.service", tmp_path / "packshot.socket")

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_calls_the_service_shut_in() -> None:
    done = analyse("security", "--offline=yes", "--threshold=20", DEPLOY / "systemd/packshot.service")

    assert done.returncode == 0, done.stdout


def test_image_workers_can_shut_themselves_in_and_work() -> None:
    allowed = calls_of(SERVICE["SystemCallFilter"].split())

    assert not WALLS - allowed
    assert sandbox._CALLS.keys() | sandbox._GUARDED.keys() <= allowed  # noqa: SLF001
    assert SERVICE["SystemCallErrorNumber"] == "EPERM"
    assert SERVICE["RestrictNamespaces"] == "user net"


def test_it_is_stopped_and_started_again_as_the_server_means_it() -> None:
    assert int(SERVICE["TimeoutStopSec"]) > DRAIN_S
    assert SERVICE["RestartPreventExitStatus"] == f"{EXIT_USAGE} {EXIT_DISK_FAILED}"
    assert SERVICE["ExecStart"].endswith(" serve")
    assert SERVICE["User"] not in {"", "root"}


def test_its_data_folder_is_the_one_it_may_write_to() -> None:
    environment = dict(word.split("=", 1) for word in SERVICE["Environment"].split())

    settings_of(environment)

    assert environment["PACKSHOT_DATA"] == f"/var/lib/{SERVICE['StateDirectory']}"
    assert unit("packshot.socket")["Socket"]["ListenStream"] == "127.0.0.1:8080"
