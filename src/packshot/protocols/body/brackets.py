"""Names with brackets, as PHP reads them: `a[b][]=x` becomes a tree of mappings and lists."""

from typing import Any

from packshot.domain.errors import InvalidRequest

PARAMETERS = 1_000
DEPTH = 16

_INDEXES = [str(index) for index in range(PARAMETERS)]
_LONGEST_INDEX = 18


class Node(dict[str, Any]):
    """One level of a tree. Keys stay text whatever they look like; `free` is what `[]` is called next.

    Whole numbers as keys would invite collisions on purpose, as their hash is the number itself.
    """

    __slots__ = ("free",)

    def __init__(self) -> None:
        super().__init__()
        self.free = 0

    def claim(self, key: str) -> str:
        """The key under which a value for `[key]` is kept: itself, or the next free index if it is empty."""
        if not key:
            key = str(self.free)
            self.free += 1
        elif _is_index(key):
            self.free = max(self.free, int(key) + 1)
        return key


def insert(tree: Node, name: str, value: str) -> None:
    """Put `value` where `name` says; what is there already and stands in the way is replaced.

    An empty name is ignored. Brackets which do not pair up after a first word are part of the name.

    Raises:
        InvalidRequest: the name has more than 16 levels, the first word counted.
    """
    if not name:
        return
    first, *keys = _path(name)
    node, last = tree, first
    for key in keys:
        child = node.get(last)
        if not isinstance(child, Node):
            child = node[last] = Node()
        node, last = child, child.claim(key)
    node[last] = value


def settled(node: Node) -> dict[str, Any]:
    """The finished tree: each inner level whose keys are exactly "0", "1" and so on, in this order, is a list."""
    return {key: _settled(value) if isinstance(value, Node) else value for key, value in node.items()}


def text_of(raw: bytes | bytearray, name: str) -> str:
    """The UTF-8 text of one value. Raises: InvalidRequest naming it, if it is not UTF-8 or has a NUL in it."""
    try:
        return without_nul(str(raw, "utf-8"), name)
    except UnicodeDecodeError:
        raise InvalidRequest(name[:100], "is not UTF-8") from None


def without_nul(text: str, name: str) -> str:
    """The same text. Raises: InvalidRequest naming it, if it has a NUL character."""
    if "\0" in text:
        raise InvalidRequest(name[:100], "must not contain NUL characters")
    return text


def _settled(node: Node) -> dict[str, Any] | list[Any]:
    values = settled(node)
    return list(values.values()) if list(values) == _INDEXES[: len(values)] else values


def _path(name: str) -> list[str]:
    opening = name.find("[")
    if opening < 1 or not name.endswith("]"):
        return [name]
    keys = name[opening + 1 : -1].split("][", DEPTH)
    if len(keys) >= DEPTH:
        raise InvalidRequest("parameters", f"are nested deeper than {DEPTH} levels")
    return [name] if any("]" in key for key in keys) else [name[:opening], *keys]


def _is_index(key: str) -> bool:
    canonical = key == "0" or not key.startswith("0")
    return canonical and key.isascii() and key.isdigit() and len(key) <= _LONGEST_INDEX
