"""One call of one method: what a method is, what its function gets, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Any

import msgspec

from packshot.domain.access import Principal, Right
from packshot.domain.originals import Original
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.protocols.bitrix.limits import Limiter, Operated
from packshot.services.core import Core


class Answer(msgspec.Struct, frozen=True):
    """What a method gives back: `result`, and for lists the total and the offset of the next page.

    `operated` is added where limits are on.
    """

    result: Any
    total: int | None = None
    next: int | None = None
    operated: Operated | None = None


class File(msgspec.Struct, frozen=True):
    """What a method of downloads gives back: the bytes themselves instead of JSON."""

    original: Original


class Call(msgspec.Struct, frozen=True):
    """The caller's parameters, already merged, with the address and zone that answers are written in.

    `source` is the caller's network address. `methods` is the whole method table, by lower-case name.
    """

    core: Core
    caller: Principal
    params: dict[str, Any]
    base_url: str
    zone: tzinfo
    settings: BitrixSettings
    source: str
    methods: "Mapping[str, Method]"
    limiter: Limiter | None = None


class Method(msgspec.Struct, frozen=True):
    """A method: its documented name, the function behind it, and what its caller needs.

    `scope` is the scope of the credential, the empty one is everybody's; `right` that of the user, which the
    service behind the function checks. `application`: only for access tokens of an application. `in_batch`:
    may stand in a batch. Any scope of `also` does as well as `scope`. `undecoded` are the parameters, in lower case,
    that it takes as `parse_json` leaves them where they are large.
    """

    name: str
    run: Callable[[Call], Awaitable[Answer | File]]
    scope: str = ""
    right: Right | None = None
    application: bool = False
    in_batch: bool = True
    also: frozenset[str] = frozenset()
    undecoded: frozenset[str] = frozenset()

    @property
    def changes(self) -> bool:
        """Whether it may change products or images, of which others then hear."""
        return self.right is not None and self.right.endswith(":write")

    def is_open_to(self, scopes: frozenset[str]) -> bool:
        """Whether a credential with these scopes may call it."""
        return not self.scope or self.scope in scopes or not self.also.isdisjoint(scopes)
