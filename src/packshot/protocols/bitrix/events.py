"""events and event.*: what an application listens to, and the queue of its offline events."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from packshot.domain.errors import Conflict, InvalidValue
from packshot.domain.events import OfflineEvent
from packshot.domain.paging import PAGE_ROWS, Ordering, Query
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import CREDENTIALS, Answer, Call
from packshot.protocols.bitrix.errors import MISSING, Refused, WrongParameter
from packshot.protocols.bitrix.wire import Field
from packshot.services import handlers, offline
from packshot.services.handlers import Binding

MAX_LIMIT = 500
MAX_TEXT_CHARACTERS = 1_000


async def events(call: Call) -> Answer:
    """The names of all events, or those of one scope. Source: page "events"."""
    scope = wire.param(call.params, "SCOPE")
    return Answer(handlers.names(call.caller, None if scope is None else str(scope)))


async def bind(call: Call) -> Answer:
    """Listen to an event at an address, or offline. Source: page "event.bind"."""
    try:
        await call.once(handlers.bind, _binding(call))
    except Conflict as error:
        raise Refused("ERROR_CORE", str(error)) from None
    return Answer(result=True)


async def unbind(call: Call) -> Answer:
    """Stop listening. Source: page "event.unbind"."""
    binding = _binding(call)
    if wire.param(call.params, "auth_type") == "":  # those without a user, and only they
        binding = msgspec.structs.replace(binding, user_id=0)
    return Answer({"count": await call.once(handlers.unbind, binding)})


async def get(call: Call) -> Answer:
    """What the application listens to. Source: page "event.get"."""
    return Answer(
        [
            {
                "event": listener.event,
                "handler": url,
                "auth_type": str(listener.user_id),
                "offline": int(listener.receiver_id is None),
            }
            for listener, url in await handlers.of_application(call.core, call.caller)
        ]
    )


async def test(call: Call) -> Answer:
    """Send ONAPPTEST with the caller's own parameters. Source: page "How to Test Your Handler"."""
    data = {name: value for name, value in call.params.items() if name.lower() not in CREDENTIALS}
    await call.once(handlers.test, data)
    return Answer(1)


async def offline_get(call: Call) -> Answer:
    """The first events of the queue, deleted or, with `clear=0`, reserved. Source: page "event.offline.get"."""
    wanted, connector = _first(call), _text(call, "auth_connector")
    process_id = _text(call, "process_id")
    clears = _number(call, "clear", 1) != 0
    process = (process_id, process_id != "" and _number(call, "error", 0) == 1)
    if clears:
        found = await call.once(offline.take, connector, wanted, process)
    elif process_id:
        found = await offline.of_process(call.core, call.caller, connector, process, wanted)
    else:
        process_id, found = await call.once(offline.reserve, connector, wanted)
    rows = [_write(call, event) for event in found]
    return Answer({"process_id": None if clears else process_id, "events": rows})


async def offline_list(call: Call) -> Answer:
    """A page of the queue, which stays as it is. Source: page "event.offline.list"."""
    wanted = wire.query(call.params, _fields(call))
    page = await offline.list_events(call.core, call.caller, _text(call, "auth_connector"), wanted)
    rows = [_write(call, event) | {"PROCESS_ID": event.process_id, "ERROR": str(event.error)} for event in page.rows]
    return Answer(rows, page.total, wire.following(page, wanted))


async def offline_clear(call: Call) -> Answer:
    """Delete what a process has reserved, all or by ids. Source: page "event.offline.clear"."""
    ids, message_ids = _texts(call, "id"), _texts(call, "message_id")

    def chosen(event_id: int, message_id: str) -> bool:
        return str(event_id) in ids if ids else not message_ids or message_id in message_ids

    await call.once(offline.clear, _process(call), chosen)
    return Answer(result=True)


async def offline_error(call: Call) -> Answer:
    """Mark what a process could not deal with. Source: page "event.offline.error"."""
    await call.once(offline.mark_errors, _process(call), _texts(call, "message_id"))
    return Answer(result=True)


def _binding(call: Call) -> Binding:
    is_offline = _text(call, "event_type").lower() == "offline"
    return Binding(
        event=_required(call, "event"),
        url=None if is_offline else _required(call, "handler"),
        user_id=_number(call, "auth_type", None),
        connector=_text(call, "auth_connector"),
        options=_options(wire.param(call.params, "options")),
    )


def _options(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value) if value else ""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidValue("options", f"has more than {MAX_TEXT_CHARACTERS} characters")
    return text


def _fields(call: Call) -> Mapping[str, Field]:
    return {
        "id": Field("id", wire.read_integer),
        "timestampx": Field("changed_at", lambda value: wire.read_moment(value, call.zone)),
        "eventname": Field("event", lambda value: str(value).upper()),
        "messageid": Field("message_id", lambda value: str(value or "")),
        "processid": Field("process_id", lambda value: str(value or "")),
        "error": Field("error", wire.read_integer),
    }


def _first(call: Call) -> Query:
    wanted = wire.query(call.params, _fields(call))
    limit = _number(call, "limit", PAGE_ROWS) or PAGE_ROWS
    orderings = wanted.orderings or [Ordering("changed_at")]
    limit = min(max(limit, 1), MAX_LIMIT)
    return Query(wanted.conditions, orderings, limit=limit, counted=False)


def _write(call: Call, event: OfflineEvent) -> dict[str, Any]:
    return {
        "ID": str(event.id),
        "TIMESTAMP_X": wire.write_moment(event.changed_at, call.zone),
        "EVENT_NAME": event.event,
        "EVENT_DATA": json.loads(event.data),
        "EVENT_ADDITIONAL": False,
        "MESSAGE_ID": event.message_id,
    }


def _process(call: Call) -> str:
    return _required(call, "process_id")


def _required(call: Call, name: str) -> str:
    text = _text(call, name)
    if not text:
        raise WrongParameter(name, MISSING % name)
    return text


def _text(call: Call, name: str) -> str:
    value = wire.param(call.params, name)
    if value is None or isinstance(value, dict | list):
        return ""
    if len(str(value)) > MAX_TEXT_CHARACTERS * 2:
        raise InvalidValue(name, f"has more than {MAX_TEXT_CHARACTERS * 2} characters")
    return str(value)


def _texts(call: Call, name: str) -> frozenset[str]:
    values = wire.items(wire.param(call.params, name))
    return frozenset(str(item) for item in values if item not in (None, ""))


def _number(call: Call, name: str, otherwise: Any) -> Any:
    try:
        number = wire.read_integer(wire.param(call.params, name))
    except ValueError:
        raise WrongParameter(
            name, f"Invalid value to match with parameter {{{name}}}. Should be value of type int."
        ) from None
    return otherwise if number is None else number
