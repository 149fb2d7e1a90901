"""What an event looks like on the wire: a form with PHP's brackets, signed in three headers."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

SIGNATURE = "X-Packshot-Signature"
TIMESTAMP = "X-Packshot-Timestamp"
EVENT_ID = "X-Packshot-Event-Id"


def form(tree: dict[str, Any]) -> bytes:
    """A tree as `a[b][0]=x&...`; flags are 1 and 0, and what is null or empty is left out, as PHP does it."""
    return "&".join(f"{quote_plus(name, safe='[]')}={quote_plus(value)}" for name, value in _pairs(tree)).encode()


def signed(secret: str, event_id: int, second: int, body: bytes) -> dict[str, str]:
    """The headers of a delivery at that Unix second: the same id in every attempt, and what proves that it is ours.

    The signature is `v1=` and the HMAC-SHA256, in hex, of `<id>.<timestamp>.<body>` under *secret*.
    """
    message = b"%d.%d." % (event_id, second) + body
    signature = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return {EVENT_ID: str(event_id), TIMESTAMP: str(second), SIGNATURE: f"v1={signature}"}


def _pairs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _pairs(item, f"{name}[{key}]" if name else str(key))
    elif value is not None:
        yield name, str(int(value)) if isinstance(value, bool) else str(value)
