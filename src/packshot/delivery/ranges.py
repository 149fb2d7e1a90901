"""Conditional and range requests, as RFC 9110 describes them for one strong validator."""

import re
from collections.abc import Mapping

_RANGE = re.compile(rb"(?i:bytes)=(\d{0,18})-(\d{0,18})", re.ASCII)


class Unsatisfiable(Exception):
    """The wanted range lies behind the end of the bytes."""


def is_unchanged(headers: Mapping[bytes, bytes], etag: bytes) -> bool:
    """Whether the client's copy is good: its If-None-Match names this entity tag, or any."""
    wanted = headers.get(b"if-none-match")
    return wanted is not None and _names(wanted, etag, weakly=True)


def is_refused(headers: Mapping[bytes, bytes], etag: bytes) -> bool:
    """Whether If-Match names only other entity tags."""
    wanted = headers.get(b"if-match")
    return wanted is not None and not _names(wanted, etag, weakly=False)


def wanted_range(headers: Mapping[bytes, bytes], etag: bytes, size_bytes: int) -> tuple[int, int] | None:
    """The one range asked for, as start (inclusive) and end (exclusive); None for the whole.

    Several ranges, other units and syntax we do not know mean the whole, as the RFC allows; so does an
    If-Range with another validator than our entity tag.

    Raises:
        Unsatisfiable: the range begins behind the end.
    """
    match = _RANGE.fullmatch(headers.get(b"range", b"").strip())
    if match is None or headers.get(b"if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, size_bytes)
    start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    if last and int(last) < start:
        return None
    if start >= size_bytes:
        raise Unsatisfiable
    return start, end


def _suffix(length: bytes, size_bytes: int) -> tuple[int, int] | None:
    if not length:
        return None
    if not int(length):
        raise Unsatisfiable
    return max(size_bytes - int(length), 0), size_bytes


def _names(wanted: bytes, etag: bytes, *, weakly: bool) -> bool:
    tags = [tag.strip() for tag in wanted.split(b",")]
    if weakly:
        tags = [tag.removeprefix(b"W/") for tag in tags]
    return b"*" in tags or etag in tags
