"""Running one method of the table: the checks every call passes, alone or in a batch, and the `time` it took."""

import time
from datetime import tzinfo
from typing import Any

import msgspec
import structlog

from packshot.domain.access import require_right
from packshot.domain.errors import Forbidden, Unavailable
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Answer, Call, File, Method
from packshot.protocols.bitrix.errors import INTERNAL, BitrixSettings, WireError, to_wire
from packshot.protocols.bitrix.limits import WINDOW_S, Limiter, Operated, require, spend
from packshot.protocols.bitrix.simulate import simulate
from packshot.services import calls

_log = structlog.get_logger("packshot.bitrix")


async def perform(call: Call, method: Method) -> Answer | File:
    """The method's answer. Raises: Forbidden, SystemRefusal, and whatever the method raises."""
    if call.settings.simulate:
        simulate(call.settings.simulate, method.name)
    if not method.is_open_to(call.caller.scopes):
        raise Forbidden(method.scope, by_token=call.caller.application_id is not None)
    if method.right is not None:
        require_right(call.caller, method.right)
    if method.application and call.caller.application_id is None:
        raise Forbidden("application")
    if method.changes:
        calls.begin(call.core, method.name, str(call.params.get("auth_connector", "")))
    if call.limiter is None or method.name == "batch":  # the commands of a batch count, each for its own method
        return await method.run(call)
    return await _metered(call, call.limiter, method)


async def _metered(call: Call, limiter: Limiter, method: Method) -> Answer | File:
    """The method's answer, with how long the method has run by now. Failures take their time, too."""
    await require(call.core, limiter, call.caller, method.name)
    began = limiter.clock()
    try:
        answer = await method.run(call)
    finally:
        operated = await spend(call.core, limiter, call.caller, method.name, limiter.clock() - began)
    return msgspec.structs.replace(answer, operated=operated) if isinstance(answer, Answer) else answer


def failure(error: Exception, settings: BitrixSettings) -> WireError:
    """The answer to an error; what nobody foresaw is logged, never shown."""
    answer = to_wire(error, settings)
    if answer is INTERNAL:
        _log.error("request failed", exc_info=error)
    elif isinstance(error, Unavailable):
        _log.warning("unavailable", why=str(error), cause=repr(error.__cause__))
    return answer


def taken(started: float, running: float, zone: tzinfo, operated: Operated | None) -> dict[str, Any]:
    """The `time` of an answer that began at *started* and whose method began at *running*.

    All eight fields, since clients read them unchecked; without limits the last two say that nothing was used.
    Source: page "Data types", section time.
    """
    finish = time.time()
    date_start = wire.write_moment(int(started) * 1_000_000, zone)
    return {
        "start": started,
        "finish": finish,
        "duration": finish - started,
        "processing": finish - running,
        "date_start": date_start,
        "date_finish": date_start if int(finish) == int(started) else wire.write_moment(int(finish) * 1_000_000, zone),
        "operating_reset_at": operated.reset_at if operated else int(started) + WINDOW_S,
        "operating": operated.seconds if operated else 0,
    }
