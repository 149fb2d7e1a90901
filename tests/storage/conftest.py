"""Fixtures: threads for files, and a core that writes down what its database is asked."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from build import Clock, believing, fail_loudly
from packshot import app
from packshot.config import Settings
from packshot.services.core import Core
from packshot.storage import reader, sqlite
from packshot.storage.sqlite import connect
from plans import Recorded, Statements


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever works with no core has a store of its own, and is the same in every run."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "core" not in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.on_files("it has a store of its own"))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Everything that reader and writer are asked, in order."""
    asked: Statements = []

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        return cast("sqlite3.Connection", Recorded(connect(path, read_only=read_only), asked))

    monkeypatch.setattr(sqlite, "connect", opened)
    return asked


@pytest.fixture
async def watched(
    statements: Statements, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Core]:
    del statements
    # A read that is broken off on a busy machine, to go on in a thread, would be recorded twice.
    monkeypatch.setattr(reader, "PATIENCE_S", 60.0)
    async with app.open_core(tmp_path / "data", believing(Settings()), fail_loudly, clock) as core:
        yield core
