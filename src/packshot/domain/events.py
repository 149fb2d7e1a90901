"""Events: what can be listened to, and the rules by which they are sent again."""

from typing import Any

import msgspec

TEST = "ONAPPTEST"
INSTALL = "ONAPPINSTALL"
"""What an application is sent at its own address once it is registered; nobody binds it."""

EVENTS: dict[str, str] = {
    TEST: "",
    "CATALOG.PRODUCT.ON.ADD": "catalog",
    "CATALOG.PRODUCT.ON.UPDATE": "catalog",
    "CATALOG.PRODUCT.ON.DELETE": "catalog",
    "PACKSHOT.IMAGE.ON.ADD": "catalog",
    "PACKSHOT.IMAGE.ON.UPDATE": "catalog",
    "PACKSHOT.IMAGE.ON.DELETE": "catalog",
    "PACKSHOT.IMAGE.ON.RESTORE": "catalog",
    "PACKSHOT.IMAGE.ON.CORRUPT": "catalog",
}
"""Every event there is, with the scope that a credential needs to listen to it."""

SECOND = 1_000_000
FIRST_RETRY_S = 5
LONGEST_PAUSE_S = 3 * 3_600
OVERTAKEN_AFTER_S = 3_600
GIVEN_UP_AFTER_S = 3 * 86_400
KEPT_S = 30 * 86_400
MAX_HANDLERS = 100
"""How many handlers an application may bind: each costs every change that it listens to."""

Data = dict[str, Any]
"""What an event says, as a tree of texts and numbers."""


class Listener(msgspec.Struct, frozen=True):
    """Somebody who hears of an event: a handler, online where it has a receiver."""

    handler_id: int
    application_id: int | None
    receiver_id: int | None
    event: str
    user_id: int
    connector: str


class Waiting(msgspec.Struct, frozen=True):
    """An event whose time has come, with what its receiver knows us by.

    An outgoing webhook has a `secret_sealed`, an application a `secret_hash`.
    """

    id: int
    receiver_id: int
    handler_id: int
    product_id: int
    event: str
    data: str
    user_id: int
    created_at: int
    attempts: int
    failing_since: int | None
    url: str
    application_id: int | None
    token_sealed: bytes
    secret_sealed: bytes | None
    secret_hash: str | None
    member_id: str


class Queue(msgspec.Struct, frozen=True):
    """The offline events of one application that came through one connector."""

    account_id: int
    application_id: int
    connector: str


class OfflineEvent(msgspec.Struct, frozen=True):
    """An event in a queue; `process_id` is empty unless a process has reserved it."""

    id: int
    changed_at: int
    event: str
    data: str
    message_id: str
    process_id: str
    error: int


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of an event after a failure: when it is tried again, if at all; others may overtake it or not."""

    failing_since: int
    next_at: int | None
    overtaken: bool


def after_failure(attempts: int, failing_since: int | None, now: int, luck: float) -> Verdict:
    """What becomes of an event whose attempt number *attempts* has failed at *now*, in Unix microseconds.

    The pauses triple from five seconds to three hours, each shortened by up to a half as *luck* (0 to 1) has it.
    After an hour of failures the product's later events go past; after three days it is given up.
    """
    since = now if failing_since is None else failing_since
    pause_s = min(FIRST_RETRY_S * 3 ** min(attempts - 1, 20), LONGEST_PAUSE_S) * (1 - luck / 2)
    mark = since + OVERTAKEN_AFTER_S * SECOND
    if now >= since + GIVEN_UP_AFTER_S * SECOND:
        return Verdict(since, None, overtaken=False)
    next_at = now + int(pause_s * SECOND)
    # The last attempt before it is overtaken is made just then, so that the others wait an hour and no more.
    return Verdict(since, min(next_at, mark) if now < mark else next_at, overtaken=now >= mark)
