"""The audit log: who did what to which image."""

from typing import Literal

import msgspec

Action = Literal[
    "added", "changed", "replaced", "attached", "detached", "deleted", "restored", "given up", "erased", "corrupt",
    "repaired",
]  # fmt: skip
"""What became of an image. `given up`: it left the trash for good; `corrupt` and `repaired` are about its original."""


class Deed(msgspec.Struct, frozen=True):
    """What one call did to any number of images, `at` in Unix microseconds."""

    account_id: int
    at: int
    action: Action
    method: str
    who: str
    request_id: str


class Touched(msgspec.Struct, frozen=True):
    """An image that something was done to, as it was called by then; with the id 0 all of the account.

    `details` say more, in JSON, or nothing.
    """

    image_id: int
    guid: str
    name: str
    product_id: int | None = None
    details: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One line of the log, `at` in Unix microseconds.

    `guid`, `name` and `details` are empty once the image was erased; `image_id` is 0 where all of the account was.
    """

    id: int
    at: int
    action: Action
    method: str
    who: str
    request_id: str
    image_id: int
    guid: str
    name: str
    product_id: int | None
    details: str


class Sought(msgspec.Struct, frozen=True):
    """Which lines of the log: those that fit all of it; what is None or empty fits all.

    `by` is a part of `who`, whatever the case; `since` is in Unix microseconds, `before_id` itself is left out.
    """

    image_id: int | None = None
    guid: str = ""
    request_id: str = ""
    by: str = ""
    since: int | None = None
    before_id: int | None = None
