"""Values that no parameter is meant to have, and how they get into one."""

from collections.abc import Iterator
from typing import Any

DEEP: Any = 1
for _ in range(12):
    DEEP = [{"a": DEEP}]
SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 1e308, 5e-324, 2**31, 2**63 - 1, 2**63, -(2**63), 10**4200,
    "", "0", "-0", " 1 ", "1e999", "NaN", "\u0663", "\u00b2", "%", "_", "\\", "' OR 1=1 --", "*", "id", "Y", "D", "asc",
    "$result[a][b]", "a" * 40_000, "a/b.png", "\ud7ff\U0010ffff\ufffe", "\u202e\u200b", "\r\nX: y", "\0", "\ud800",
    "2024-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "http://[::1", "U99999999999999999999",
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The paths to everything within the parameters."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (key,)
        yield from ((key, *path) for path in places(item))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The same parameters with something else in that place."""
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed
