"""Calls with keys while stores are killed: made again with the same key, each happened once. Run by killing.py."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from packshot.domain.access import Principal
from packshot.domain.errors import StillRunning
from packshot.domain.images import ProductImage
from packshot.services import images
from packshot.services.core import Core
from packshot.services.idempotency import Key, once
from packshot.services.originals import Upload
from packshot.storage.folder import DATABASE
from stock import CALLER, LONE, PICTURES

METHOD = "add"
_KEPT = 20

Call = tuple[str, int]
"""The name of the image that a call adds, which is its key, too, and the number of its picture."""


async def add(
    core: Core, write: Callable[..., None], chance: random.Random, earlier: Sequence[Call], *, apart: bool
) -> None:
    """Add a picture with a key, or make one of the *earlier* calls again, whose answer may be known.

    *write* is told before and after. With *apart* the answer is kept a moment after the image.
    """
    again = bool(earlier) and chance.random() < 2 / 3
    name, number = chance.choice(earlier) if again else (f"{chance.randbytes(8).hex()}.png", chance.randrange(25))
    data = PICTURES[number]
    upload = Upload(name, len(data), lambda: data)
    write("adding", name, number)
    write("keying", name, number)
    with suppress(StillRunning):
        beside = core if apart else None
        image = await once(core, CALLER, Key(name, METHOD), [number], _add, upload, beside)
        write("keyed", name, image.id, image.address)
        if not again:
            write("added", name, number)


async def _add(core: Core, caller: Principal, upload: Upload, beside: Core | None) -> ProductImage:
    return await images.add_to_product(beside or core, caller, LONE, "more", upload)


@dataclass
class Calls:
    """`open` have no answer yet, `answers` are known."""

    open: dict[str, int] = field(default_factory=dict)
    answers: dict[str, tuple[int, Sequence[str]]] = field(default_factory=dict)
    acked: int = 0
    repeated: int = 0

    def to_repeat(self) -> list[Call]:
        """The calls that workers may make again: all that are open, and the latest others."""
        return [*self.open.items(), *((name, number) for name, (number, _) in list(self.answers.items())[-_KEPT:])]


def check(folder: Path, lines: Iterable[Sequence[str]], calls: Calls, born: Mapping[str, Sequence[int]]) -> list[str]:
    """Compare: one answer for each key, which is kept, and one image for it; *born* has all images ever by name."""
    broken, touched = [], dict.fromkeys(calls.open)
    for word, name, *rest in lines:
        if word == "keying":
            touched[name] = None
            if name not in calls.answers:
                calls.open[name] = int(rest[0])
        elif word == "keyed":
            calls.acked += 1
            calls.repeated += name in calls.answers
            _, answer = calls.answers.setdefault(name, (calls.open.pop(name, 0), rest))
            broken += [] if answer == rest else [f"the key {name} has the answers {answer} and {rest}"]
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        kept = dict(database.execute("SELECT key, result FROM idempotency WHERE method = ?1", (METHOD,)).fetchall())
    return broken + [
        f"the key {name} made the images {born.get(name)} and keeps {kept.get(name)}"
        for name in touched
        if not _agrees(born.get(name, ()), kept.get(name), calls.answers.get(name))
    ]


def _agrees(born: Sequence[int], kept: str | None, answered: tuple[int, Sequence[str]] | None) -> bool:
    """Whether a key made one image, which is kept and was told, or none."""
    told = [json.loads(kept)["id"]] if kept else []
    return list(born) == told and (answered is None or [int(answered[1][0])] == told)


def end_leases(folder: Path) -> None:
    """As if a minute had passed since whoever was at work with a key was killed; and keys of yesterday go."""
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("UPDATE idempotency SET lease_ends_at = 0 WHERE result IS NULL")
        database.execute("DELETE FROM idempotency WHERE id < (SELECT max(id) - 2000 FROM idempotency)")
