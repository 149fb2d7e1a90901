"""Who listens: handlers that applications bind, and outgoing webhooks that the command line makes."""

import msgspec

from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, Forbidden, InvalidValue, NotFound
from packshot.domain.events import EVENTS, MAX_HANDLERS, TEST, Data, Listener
from packshot.services import events
from packshot.services.access import CODE_CHARACTERS, random_text
from packshot.services.core import Core
from packshot.storage import accounts, handlers, locks, outbox
from packshot.storage.database import Row, Tx

TAKEN = "Unable to set event handler: Handler already binded"
TOO_MANY = f"Unable to set event handler: an application has {MAX_HANDLERS} at most"
MAX_TEST_BYTES = 64 * 1024


class Binding(msgspec.Struct, frozen=True):
    """What an application wants to hear of: at *url*, or offline where that is None.

    `user_id` is whose tokens come along: 0 means whoever caused the event, None that nothing was said.
    """

    event: str
    url: str | None
    user_id: int | None = None
    connector: str = ""
    options: str = ""


class OutgoingWebhook(msgspec.Struct, frozen=True):
    """A new outgoing webhook with its two secrets, which are shown this once."""

    id: int
    application_token: str
    secret: str


def names(caller: Principal, scope: str | None = None) -> list[str]:
    """The events that the caller's credential may listen to, all or those of one scope."""
    return [
        name
        for name, needed in EVENTS.items()
        if (not needed or needed in caller.scopes) and (scope is None or needed == scope)
    ]


async def bind(core: Core, caller: Principal, binding: Binding) -> None:
    """Make the caller's application hear of an event from now on.

    Raises:
        NotFound: no such event, or the credential lacks its scope.
        Forbidden: offline handlers and the tokens of others are for administrators.
        InvalidValue: the address is not one that events are sent to.
        Conflict: it is bound already, or the application has too many handlers.
    """
    event = _known(caller, binding.event)
    if binding.url is None or binding.user_id not in {None, caller.user_id}:
        require_administrator(caller)
    if binding.url is not None:
        await core.outbound.check(binding.url)
    user_id = binding.user_id if binding.user_id is not None else _default_user(caller)
    if user_id and not await accounts.has_user(core.db, caller.account_id, user_id):
        raise NotFound("user", user_id)
    now = core.now()

    async def work(tx: Tx) -> None:
        await locks.hold(tx, "application", [caller.application_id or 0])
        bound = await handlers.of_application(tx, caller.application_id or 0)
        connector = "" if binding.url is not None else binding.connector
        wanted = (event, binding.url or "", user_id, connector)
        if any(_key(listener, url) == wanted for listener, url in bound):
            raise Conflict(TAKEN)
        if len(bound) >= MAX_HANDLERS:
            raise Conflict(TOO_MANY)
        receiver_id = None if binding.url is None else await _receiver(tx, caller, binding.url, now)
        listener = Listener(0, caller.application_id, receiver_id, event, user_id, connector)
        await handlers.add_handler(tx, caller.account_id, listener, binding.options, now)

    await core.db.write(work)


async def unbind(core: Core, caller: Principal, binding: Binding) -> int:
    """Take back what `bind` did, with what waits to be sent; return how many handlers are gone.

    Without a `user_id` it does not matter whose tokens they had; an empty `connector` means all of them.

    Raises:
        NotFound: no such event.
        Forbidden: only administrators may.
    """
    event = _known(caller, binding.event)
    require_administrator(caller)
    now = core.now()

    async def work(tx: Tx) -> int:
        await locks.hold(tx, "application", [caller.application_id or 0])
        bound = await handlers.of_application(tx, caller.application_id or 0)
        gone = [listener for listener, url in bound if listener.event == event and _matches(binding, listener, url)]
        for listener in gone:
            await handlers.remove_handler(tx, listener)
            if listener.receiver_id is not None:
                await outbox.release_all(tx, listener.receiver_id, now)
        return len(gone)

    return await core.db.write(work, makes_room=True)


async def of_application(core: Core, caller: Principal) -> list[tuple[Listener, str]]:
    """The handlers that the caller's application has bound by id, each with its address."""
    bound = await handlers.of_application(core.db, caller.application_id or 0)
    return [(listener, url) for listener, url in bound if listener.event in EVENTS]


async def test(core: Core, caller: Principal, data: Data) -> None:
    """Send `ONAPPTEST` with *data* to the handlers that the caller's application has for it.

    Raises:
        InvalidValue: *data* is longer than 64 KiB of JSON.
    """
    if len(msgspec.json.encode(data)) > MAX_TEST_BYTES:
        raise InvalidValue("", f"The parameters are longer than {MAX_TEST_BYTES} bytes")
    now = core.now()

    async def work(tx: Tx) -> None:
        await locks.hold(tx, "application", [caller.application_id or 0])
        for listener in await handlers.of_listeners(tx, caller.account_id, TEST):
            if listener.application_id == caller.application_id:
                await events.note(tx, caller, listener, 0, {"QUERY": data, "LANGUAGE_ID": "en"}, now)

    await core.db.write(work)


async def add_webhook(core: Core, account: str, url: str, wanted: list[str]) -> OutgoingWebhook:
    """Make an outgoing webhook of that account for these events.

    Raises:
        NotFound: no such account or event.
        InvalidValue: the address is not one that events are sent to, or no event is named.
    """
    found = await accounts.find_account(core.db, account)
    if found is None:
        raise NotFound("account", account)
    if not wanted:
        raise InvalidValue("event", "An outgoing webhook needs an event")
    named = list(dict.fromkeys(name.upper() for name in wanted))
    if unknown := [name for name in named if name not in EVENTS or name == TEST]:
        raise NotFound("event", unknown[0])
    await core.outbound.check(url)
    token, secret, now = random_text(CODE_CHARACTERS), random_text(CODE_CHARACTERS), core.now()
    sealed = (core.sealer.encrypt(token.encode()), core.sealer.encrypt(secret.encode()))

    async def work(tx: Tx) -> int:
        receiver_id = await handlers.add_receiver(tx, (found, None), url, sealed, now)
        for name in named:
            await handlers.add_handler(tx, found, Listener(0, None, receiver_id, name, 0, ""), "", now)
        return receiver_id

    return OutgoingWebhook(await core.db.write(work), token, secret)


async def of_webhooks(core: Core) -> list[Row]:
    """All outgoing webhooks as (id, account's name, address, events in a row, when paused), by id."""
    return await handlers.of_webhooks(core.db)


async def remove_webhook(core: Core, webhook_id: int) -> None:
    """Delete an outgoing webhook with what waits for it. Raises: NotFound."""
    if not await core.db.write(lambda tx: handlers.remove_webhook(tx, webhook_id), makes_room=True):
        raise NotFound("outgoing webhook", webhook_id)


async def of_undelivered(core: Core, after: int, limit: int) -> list[Row]:
    """Events that wait or were given up; see `outbox.of_undelivered`."""
    return await outbox.of_undelivered(core.db, after, limit)


async def retry(core: Core, event_id: int) -> None:
    """Send that event now, also once it was delivered or given up. Raises: NotFound."""
    now = core.now()
    if not await core.db.write(lambda tx: outbox.retry(tx, event_id, now), makes_room=True):
        raise NotFound("event", event_id)


def require_administrator(caller: Principal) -> None:
    """Refuse everybody else. Raises: Forbidden."""
    if caller.role != "administrator":
        raise Forbidden("administrator")


def _known(caller: Principal, event: str) -> str:
    if event.upper() not in names(caller):
        raise NotFound("event", event)
    return event.upper()


def _default_user(caller: Principal) -> int:
    """What others do is sent with the tokens of whoever did it only where an administrator asked for it."""
    return 0 if caller.role == "administrator" else caller.user_id


async def _receiver(tx: Tx, caller: Principal, url: str, now: int) -> int:
    application_id = caller.application_id or 0
    found = await handlers.find_receiver(tx, application_id, url)
    return found or await handlers.add_receiver(tx, (caller.account_id, application_id), url, None, now)


def _key(listener: Listener, url: str) -> tuple[str, str, int, str]:
    return listener.event, url, listener.user_id, listener.connector


def _matches(binding: Binding, listener: Listener, url: str) -> bool:
    return (
        url == (binding.url or "")
        and binding.user_id in {None, listener.user_id}
        and (binding.url is not None or not binding.connector or binding.connector == listener.connector)
    )
