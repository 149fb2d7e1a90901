"""One call of one method: what a method is, and what its function gets."""

from collections.abc import Awaitable, Callable
from datetime import tzinfo
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from packshot.domain.access import Principal
from packshot.protocols.body import Take
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import idempotency
from packshot.services.core import Core
from packshot.services.idempotency import Key

KEYS = ("web_api_key", "app_key")
"""What a caller is known by, in the headers or in the query."""

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class Call(msgspec.Struct, frozen=True):
    """The fields of the body and of the query, their names in lower case, and the zone that dates are written in.

    `caller` acts for the account whose account_key the call names, where it may. `key` is there where the caller wants
    the call to be done once.
    """

    core: Core
    caller: Principal
    params: dict[str, Any]
    query: dict[str, Any]
    zone: tzinfo
    base_url: str
    settings: FinerWorksSettings
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
        said = [self.params, {name: value for name, value in self.query.items() if name not in KEYS}]
        return await idempotency.once(self.core, self.caller, self.key, said, run, *arguments, **named)


class Answer(msgspec.Struct, frozen=True):
    """What a method answers but for its `status`, and what that says: `message`, and the `code` of a failure in it.

    The HTTP status is 200 whatever the code.
    """

    fields: dict[str, Any]
    message: str = ""
    code: int = 200


class Body(msgspec.Struct, frozen=True):
    """A body that its method reads itself, because it may be too large to be held.

    `name` is the last part of the address. `pour` has a function called with each piece of a body that has no more
    bytes than it is told.
    """

    name: str
    content_type: str
    pour: Callable[[int, Take], Awaitable[None]]


class Upload(msgspec.Struct, frozen=True):
    """A method that takes a file: the same as `Method`, but that it gets the body instead of `Call.params`.

    It has to ask `auth.for_account` itself, once it has read the fields.
    """

    name: str
    verbs: tuple[str, ...]
    run: Callable[[Call, Body], Awaitable[Answer]]


class Method(msgspec.Struct, frozen=True):
    """A method: the last part of its address, the HTTP methods it is called with, and the function behind it."""

    name: str
    verbs: tuple[str, ...]
    run: Callable[[Call], Awaitable[Answer]]
