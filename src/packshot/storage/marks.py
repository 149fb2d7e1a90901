"""The mark of a data folder that a store is being brought to: what its database may hold and be filled again."""

from pathlib import Path

import msgspec

from packshot.storage.folder import flush

MARK = "moving"


def find_mark(folder: Path) -> tuple[str, ...] | None:
    """What databases may hold that were brought there from this folder; None where nothing is moved to it."""
    try:
        return msgspec.json.decode((folder / MARK).read_bytes(), type=tuple[str, ...])
    except FileNotFoundError:
        return None


def write_mark(folder: Path, accepted: tuple[str, ...]) -> None:
    """Note what the database may hold."""
    aside = folder / f"{MARK}.part"
    aside.write_bytes(msgspec.json.encode(accepted))
    flush(aside)
    aside.replace(folder / MARK)
    flush(folder)


def add_to_mark(folder: Path, accepted: str) -> None:
    """Note what else the database may hold, before it does: after a kill it holds one or the other."""
    write_mark(folder, (*(find_mark(folder) or ()), accepted))


def drop_mark(folder: Path) -> None:
    """Forget it: what is there now is a store of its own."""
    (folder / MARK).unlink(missing_ok=True)
