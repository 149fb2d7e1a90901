"""What clients do to nodes that break (see node_killing.py): they go on, whatever happens to their calls.

A call that has no answer, or one by which nobody knows what became of it, is made again where it had a key, until it is
answered. Without one it may have happened or not, now or in a moment: all that it touches is put aside until the end.
"""

import http
import http.client
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event

from faults.server_killing import repeat_latest
from faults.server_load import (
    Asked,
    Broken,
    Effects,
    Ids,
    Line,
    Value,
    Visitor,
    answer_to,
    done,
    look,
    next_change,
)

UNCLEAR = {http.HTTPStatus.BAD_GATEWAY, http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.GATEWAY_TIMEOUT}
DOUBT_S = 60
"""After so long nothing is under way any more that nobody waits for."""

PATIENCE_S = 120
"""How long a call with a key is made again before it counts as lost."""


class Unanswered(OSError):
    """The answer says that there is none."""


class UnclearLine(Line):
    """A connection on which such an answer is as good as none; `statuses` counts all."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.statuses: Counter[int] = Counter()

    def ask(self, verb: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> tuple[int, bytes]:
        """As that of any line. Raises: OSError, http.client.HTTPException."""
        status, content = super().ask(verb, path, body, headers)
        self.statuses[status] += 1
        if status in UNCLEAR:
            raise Unanswered(status)
        return status, content


@dataclass
class Doubt:
    """What the labels of a call were before it, and are if it happened; `ids` of what would be back.

    `kin` is what hangs together with them: nothing is done with it while there is doubt, but it has to stay.
    """

    before: Effects
    after: Effects
    ids: Ids
    kin: dict[str, Value]
    since: float


Held = tuple[Mapping[str, Value], Ids, list[str]]
"""What `held` of server_load.py gives."""

Binned = dict[str, tuple[Value, int | str]]
"""What comes back together, by label: an image first, then what is sold of it."""


@dataclass
class Guest:
    """A visitor who knows doubt. `binned`: what was deleted lately, and can be restored."""

    visitor: Visitor
    doubts: list[Doubt] = field(default_factory=list)
    binned: list[Binned] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unanswered: int = 0
    in_doubt: int = 0
    happened: int = 0
    repeated: int = 0
    restored: int = 0

    def doubt(self, asked_effects: list[Effects], ids: Ids | None = None) -> None:
        """Nobody knows whether these came to be."""
        there, since = self.visitor.there, time.monotonic()
        kin = {label: there[label] for label in _touched(there, asked_effects) if label in there}
        for effects in asked_effects:
            before = {label: there.get(label) for label in effects}
            self.doubts.append(Doubt(before, effects, ids or {}, kin, since))
        for label in kin:
            del there[label]
        self.in_doubt += len(asked_effects)

    def settle(self, held: Held, older_than_s: float = 0) -> list[str]:
        """Take what came to be by now, and forget what did not; what is neither, in words."""
        there, ids, wrong = *held[:2], []
        old = [doubt for doubt in self.doubts if time.monotonic() - doubt.since >= older_than_s]
        self.doubts = [doubt for doubt in self.doubts if doubt not in old]
        for doubt in old:
            self.visitor.there |= doubt.kin
            doubt.kin.clear()  # of two effects of one call the second must not undo the first
            seen = {label: there.get(label) for label in doubt.after}
            if seen == doubt.after:
                self.happened += 1
                self.visitor.take(doubt.after, dict(ids))
                self.visitor.born -= Counter((str(there[label][0]), id_) for label, id_ in doubt.ids.items())
            elif seen != doubt.before:
                wrong.append(f"half: {seen} instead of {doubt.after} or {doubt.before}")
        return wrong


def _touched(there: Mapping[str, Value], asked_effects: list[Effects]) -> set[str]:
    """The labels of a call, and of all that hangs together with them."""
    labels = {label for effects in asked_effects for label in effects}
    labels |= {_parent(value) for effects in asked_effects for value in effects.values() if value}
    labels |= {_parent(there[label]) for label in labels if label in there}
    return labels | {label for label, value in there.items() if _parent(value) and _parent(value) in labels}


def _parent(value: Value) -> str:
    """The label of the product that an image belongs to, or of the image that is sold."""
    return str(value[1]) if value[0] in {"image", "sold"} else ""


Restore = Callable[[str, int | str], bool | None]
"""Take the image of that kind and id out of the trash: whether that was done, None where nobody knows."""


def visit(guest: Guest, url: str, over: Event, look_up: Callable[[], Held], restore: Restore | None = None) -> None:
    """Call and call, until it is over and what had a key is answered.

    What *look_up* gives settles old doubts, or else all that there is would come to be in doubt.

    Raises:
        Broken.
    """
    line, visitor = UnclearLine(url), guest.visitor
    since = time.monotonic()
    while visitor.pending or not over.is_set():
        try:
            if not visitor.pending:
                since = time.monotonic()
                if guest.doubts and since - guest.doubts[0].since > DOUBT_S:
                    guest.wrong += guest.settle(look_up(), DOUBT_S)
                _read(visitor, line)
                if restore and guest.binned and visitor.chance.random() < 1 / 8:
                    _restore(guest, restore)
                visitor.pending = next_change(visitor)
            _call(guest, visitor.pending, line)
        except (OSError, http.client.HTTPException):
            line.close()
            guest.unanswered += 1
            if visitor.pending and not visitor.pending.key:
                guest.doubt(visitor.pending.effects)
                visitor.pending = None
            time.sleep(visitor.chance.uniform(0, 0.2))
        if time.monotonic() - since > PATIENCE_S:
            raise Broken(f"{visitor.pending} is at work for ever")
    line.close()
    guest.statuses += line.statuses


def _read(visitor: Visitor, line: Line) -> None:
    for _ in range(2):
        if visitor.chance.random() < 1 / 3:
            look(visitor, line)
    if visitor.chance.random() < 1 / 10:
        repeat_latest(visitor, line)


def _call(guest: Guest, asked: Asked, line: Line) -> None:
    visitor = guest.visitor
    gone = [label for effects in asked.effects for label, value in effects.items() if value is None]
    before = {label: (visitor.there[label], visitor.ids[label]) for label in gone}
    ids = answer_to(line, visitor, asked)
    if ids is None:
        guest.repeated += 1
        raise Unanswered
    done(visitor, asked, ids)
    for label in gone:
        if _can_come_back(visitor, before[label][0]):
            sold = {one: it for one, it in before.items() if _parent(it[0]) == label}
            guest.binned = [*guest.binned[-8:], {label: before[label], **sold}]


def _can_come_back(visitor: Visitor, value: Value) -> bool:
    return value[0] == "library" or (value[0] == "image" and value[2] == "more" and value[1] in visitor.there)


def _restore(guest: Guest, restore: Restore) -> None:
    binned = guest.binned.pop()
    value, id_ = next(iter(binned.values()))
    if not _can_come_back(guest.visitor, value):
        return
    came = restore(str(value[0]), id_)
    values: dict[str, Value] = {label: it[0] for label, it in binned.items()}
    ids: Ids = {label: it[1] for label, it in binned.items()}
    if came:
        guest.visitor.there |= values
        guest.visitor.ids |= ids
        guest.restored += 1
    elif came is None:
        guest.doubt([{**values}], ids)
