"""One call of one method: what a method is, what its function gets, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from packshot.domain.access import Principal, Right
from packshot.domain.originals import Original
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.protocols.bitrix.limits import Limiter, Operated
from packshot.services import idempotency
from packshot.services.core import Core
from packshot.services.idempotency import Key

CREDENTIALS = frozenset({"auth", "access_token"})
"""The parameters, in lower case, that say who calls and not what is wanted."""

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


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

    `source` is the caller's network address. `methods` is the whole method table, by lower-case name. `key` is there
    where the caller wants the call to be done once.
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
    key: Key | None = None

    async def once(
        self,
        run: Callable[Concatenate[Core, Principal, Arguments], Awaitable[Result]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """What a service returns that changes something, and that is done once: see `idempotency.once`."""
        if self.key is None:
            return await run(self.core, self.caller, *arguments, **named)
        said = {name: value for name, value in self.params.items() if name.lower() not in CREDENTIALS}
        return await idempotency.once(self.core, self.caller, self.key, said, run, *arguments, **named)


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
