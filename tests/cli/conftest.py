"""The folder of a store for commands to work on."""

from pathlib import Path

import pytest

from serving import new_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an empty store in good order."""
    new_store(tmp_path / "data")
    return tmp_path / "data"
