"""Failed logins, counted by where they come from: in memory, and never more than a fixed number of addresses.

Servers that share a store count apart: a few times as many attempts are still far too few to guess a password.
"""

import ipaddress
import math
from collections.abc import Callable

from packshot.domain.errors import LimitReached

ALLOWED = 10
WINDOW_S = 15 * 60
_ADDRESSES = 10_000


class Attempts:
    """Refuses the eleventh attempt from one address while ten of the last 15 minutes have failed.

    An attempt counts as failed until `succeeded` is called, so that many at once gain nothing. IPv6 addresses
    count by their first 64 bits: whoever has one has all of these.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[str, list[float]] = {}

    def begin(self, source: str) -> None:
        """Count an attempt from that network address. Raises: LimitReached."""
        now, place = self._clock(), _place(source)
        recent = [moment for moment in self._failures.pop(place, []) if 0 <= now - moment < WINDOW_S]
        # Put in again as the newest, so that the one to be forgotten first is who was away longest.
        self._failures[place] = recent
        if len(recent) >= ALLOWED:
            raise LimitReached("attempts to log in", math.ceil(WINDOW_S - (now - recent[0])))
        recent.append(now)
        if len(self._failures) > _ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, source: str) -> None:
        """Take back the last attempt from there. Earlier failures stay: one right password does not excuse them."""
        if moments := self._failures.get(_place(source)):
            moments.pop()


def _place(source: str) -> str:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:  # a socket without an address
        return source
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return source
