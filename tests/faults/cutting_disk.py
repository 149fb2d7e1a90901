"""What a disk may hold after a power cut at any moment of a program, told from the program's system calls.

The model promises no more than POSIX does:

- The bytes of a file are there that were written before a later fsync or fdatasync of that file had returned. Of
  every other write any of its sectors of 512 bytes, or of its pages of 4096, may be there, in any order among all
  writes; so may any other truncation. Where bytes are not there but a later size is, there are zeros. A sector is
  written as a whole, and what lies beside a write is never harmed (SQLite asks that of a disk, too).
- A name is there, or gone, or means another file, if that happened before a later fsync of its folder had returned.
  Any other change of a name may have happened or not, in any order; the two names of a rename come apart.
- A folder's own name is its parent's to flush. To make or flush a file says nothing about its name.

File systems give more: ext4 in its usual mode commits names, sizes and truncations in the order they were made, a
rename as one, and the name of a new file with the file's first fsync; XFS and btrfs likewise. A store that lives
through this model lives through theirs. Not modelled: disks that lie about flushes, and bytes that rot.
"""

import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from faults.cutting_trace import Call, Step

SECTOR_BYTES, PAGE_BYTES = 512, 4096
SHARES: Final = (0.0, 0.0, 0.5, 0.9, 1.0)
"""How much of what was not flushed a file or a folder keeps: all of it, none or some."""


@dataclass(eq=False)
class Change:
    """One change of a file or a folder that nobody has flushed: `what` is a `Write`, a size, or a name with a node."""

    what: Any
    done: bool = False


@dataclass
class Write:
    """Bytes written at an offset."""

    start: int
    data: bytes


@dataclass(eq=False)
class File:
    """A file: what is on the disk for sure, and what was done to it since, in order."""

    content: bytearray = field(default_factory=bytearray)
    changes: list[Change] = field(default_factory=list)
    size: int = 0

    def settle(self, what: Any) -> None:
        """Have that be on the disk for sure."""
        _apply(self.content, what)


@dataclass(eq=False)
class Folder:
    """A folder: the names that are on the disk for sure, what was done to them since, and the names as they are."""

    content: dict[str, "Node"] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    names: dict[str, "Node"] = field(default_factory=dict)

    def settle(self, what: Any) -> None:
        """Have that be on the disk for sure."""
        _rename(self.content, *what)


Node = File | Folder


@dataclass
class Opened:
    """An open file or folder, and where its next write goes."""

    node: Node
    appends: bool
    position: int = 0


def _apply(content: bytearray, what: Write | int) -> None:
    if isinstance(what, int):
        del content[what:]
        content.extend(bytes(what - len(content)))
    else:
        content.extend(bytes(max(0, what.start - len(content))))
        content[what.start : what.start + len(what.data)] = what.data


def _rename(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


class Disk:
    """What is below the folder *root*, which is empty and known to the disk when the trace begins.

    `said` is what the program has written to its standard output.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fsencode(root)
        self._top = Folder({"": Folder()})
        self._top.names |= self._top.content
        self._opened: dict[int, Opened] = {}
        self.said = b""

    def play(self, steps: Iterable[Step]) -> Iterator[None]:
        """Do what the program did; stops after each step that changed or flushed something, or said something."""
        for step in steps:
            call, before = step.call, len(self.said)
            if step.begins:
                call.made, call.flushes = [], []  # they may be those of another disk
                self._begin(call)
            if step.ends:
                self._end(call)
            if call.made or call.flushes or len(self.said) > before:
                yield

    def _begin(self, call: Call) -> None:
        """From here on a call may have happened; names and sizes are as it leaves them."""
        getattr(self, f"_on_{call.name}", self._on_anything_else)(call)

    def _end(self, call: Call) -> None:
        for change in call.made:
            change.done = True
        if call.name in {"open", "openat", "creat"}:
            self._remember(call)
        if call.flushes:
            _flush(self._opened[call.number(0)].node, set(call.flushes))

    # Names

    def _place(self, call: Call, place: int, base: int | None) -> tuple[Folder, str] | None:
        """(folder, name) of the path in that argument; None if it is somewhere else."""
        path, start = call.text(place), None if base is None or call.given[base] == "AT_FDCWD" else call.number(base)
        if start is None:
            if not (path + b"/").startswith(self._root + b"/"):
                return None
            folder, parts = self._top, path.removeprefix(self._root).split(b"/")
        else:
            if start not in self._opened:
                return None
            folder, parts = self._folder(self._opened[start].node), path.split(b"/")
        for part in parts[:-1]:
            folder = self._folder(folder.names[os.fsdecode(part)])
        # SQLite makes its index of the log anew after a cut; it is written through a map.
        return None if parts[-1].endswith(b"-shm") else (folder, os.fsdecode(parts[-1]))

    @staticmethod
    def _folder(node: Node) -> Folder:
        if not isinstance(node, Folder):
            raise AssertionError("a file stands where a folder should")  # noqa: TRY004 - the model is wrong, no argument
        return node

    def _change_name(self, call: Call, where: tuple[Folder, str] | None, node: Node | None) -> None:
        if where is None:
            return
        folder, name = where
        _rename(folder.names, name, node)
        change = Change((name, node))
        folder.changes.append(change)
        call.made.append(change)

    def _change_file(self, call: Call, file: File, what: Write | int) -> None:
        file.size = what if isinstance(what, int) else max(file.size, what.start + len(what.data))
        change = Change(what)
        file.changes.append(change)
        call.made.append(change)

    def _on_openat(self, call: Call, base: int | None = 0) -> None:
        path, flags = (0, 1) if base is None else (1, 2)
        where = self._place(call, path, base)
        if where is None or (not call.has(flags, "O_CREAT") and where[1] not in where[0].names):
            return
        folder, name = where
        if name not in folder.names:
            self._change_name(call, where, File())
        node = folder.names[name]
        if call.has(flags, "O_TRUNC") and isinstance(node, File):
            self._change_file(call, node, 0)

    def _on_open(self, call: Call) -> None:
        self._on_openat(call, None)

    def _remember(self, call: Call) -> None:
        base, path, flags = (0, 1, 2) if call.name == "openat" else (None, 0, 1)
        where = self._place(call, path, base)
        if where is not None and where[1] in where[0].names:
            self._opened[int(call.result)] = Opened(where[0].names[where[1]], call.has(flags, "O_APPEND"))

    def _on_close(self, call: Call) -> None:
        self._opened.pop(call.number(0), None)

    def _on_mkdir(self, call: Call) -> None:
        self._change_name(call, self._place(call, 0, None), Folder())

    def _on_rename(self, call: Call) -> None:
        source, target = self._place(call, 0, None), self._place(call, 1, None)
        if (source is None) != (target is None):
            raise AssertionError("a file comes from elsewhere")
        if source is not None:
            self._change_name(call, target, source[0].names[source[1]])
            self._change_name(call, source, None)

    def _on_link(self, call: Call) -> None:
        source = self._place(call, 0, None)
        if source is not None:
            self._change_name(call, self._place(call, 1, None), source[0].names[source[1]])

    def _on_unlink(self, call: Call) -> None:
        self._change_name(call, self._place(call, 0, None), None)

    _on_rmdir = _on_unlink

    def _on_unlinkat(self, call: Call) -> None:
        self._change_name(call, self._place(call, 1, 0), None)

    # Bytes

    def _file(self, descriptor: int) -> tuple[Opened, File] | None:
        opened = self._opened.get(descriptor)
        return (opened, opened.node) if opened and isinstance(opened.node, File) else None

    def _on_write(self, call: Call) -> None:
        data, found = call.text(1)[: int(call.result)], self._file(call.number(0))
        if found is not None:
            opened, file = found
            start = file.size if opened.appends else opened.position
            opened.position = start + len(data)
            self._change_file(call, file, Write(start, data))
        elif call.number(0) == 1:
            self.said += data

    def _on_pwrite64(self, call: Call) -> None:
        found = self._file(call.number(0))
        if found is not None:
            self._change_file(call, found[1], Write(call.number(3), call.text(1)[: int(call.result)]))

    def _on_lseek(self, call: Call) -> None:
        if call.number(0) in self._opened:
            self._opened[call.number(0)].position = int(call.result)

    def _on_ftruncate(self, call: Call) -> None:
        found = self._file(call.number(0))
        if found is not None:
            self._change_file(call, found[1], call.number(1))

    def _on_fsync(self, call: Call) -> None:
        opened = self._opened.get(call.number(0))
        if opened is not None:
            call.flushes = [change for change in opened.node.changes if change.done]

    _on_fdatasync = _on_fsync

    def _on_mmap(self, call: Call) -> None:
        shared = call.has(3, "MAP_SHARED") and call.has(2, "PROT_WRITE")
        if shared and call.number(4) in self._opened:
            raise AssertionError("bytes are written through a map, where no trace sees them")

    def _on_anything_else(self, call: Call) -> None:
        descriptors = {int(word) for word in call.given if word.isdigit()}
        if descriptors & self._opened.keys() or any(self._root.hex() in word.replace("\\x", "") for word in call.given):
            raise AssertionError(f"the model of a disk knows no {call.name}")

    # What is left

    def cut(self, chance: random.Random, target: Path) -> None:
        """Make a folder *target* of what the disk may hold if the power is cut now; *chance* says which of it."""
        top = self._top.content[""]
        _make(self._folder(top), chance, target, {})


def _flush(node: Node, changes: set[Change]) -> None:
    for change in node.changes:
        if change in changes:
            node.settle(change.what)
    node.changes = [change for change in node.changes if change not in changes]


def _make(folder: Folder, chance: random.Random, target: Path, kept: dict[File, bytes]) -> None:
    target.mkdir()
    names = dict(folder.content)
    share = chance.choice(SHARES) if folder.changes else 1
    for change in folder.changes:
        if chance.random() < share:
            _rename(names, *change.what)
    for name, node in names.items():
        if isinstance(node, Folder):
            _make(node, chance, target / name, kept)
        else:
            if node not in kept:  # it may have two names
                kept[node] = _left(node, chance)
            (target / name).write_bytes(kept[node])


def _left(file: File, chance: random.Random) -> bytes:
    content = bytearray(file.content)
    share, bigger, piece_bytes = (
        chance.choice(SHARES),
        chance.random() < 1 / 2,
        chance.choice((SECTOR_BYTES, PAGE_BYTES)),
    )
    for change in file.changes:
        for what in _pieces(change.what, piece_bytes):
            if chance.random() < share:
                _apply(content, what)
            elif bigger and isinstance(what, Write):
                _apply(content, Write(what.start + len(what.data), b""))
    return bytes(content)


def _pieces(what: Write | int, piece_bytes: int) -> Iterator[Write | int]:
    """What the disk does at once: it takes a write in pieces, which begin and end where its sectors or pages do."""
    if isinstance(what, int):
        yield what
        return
    first, end = what.start, what.start + len(what.data)
    while first < end:
        last = min(end, (first // piece_bytes + 1) * piece_bytes)
        yield Write(first, what.data[first - what.start : last - what.start])
        first = last
