"""Running one method of the table: the checks every call passes, alone or in a batch, and the `time` it took."""

import time
from datetime import tzinfo
from typing import Any

from packshot.domain.access import require_right, require_scope
from packshot.domain.errors import Forbidden
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Answer, Call, File, Method

OPERATING_WINDOW_S = 600


async def perform(call: Call, method: Method) -> Answer | File:
    """The method's answer. Raises: Forbidden, and whatever the method raises."""
    require_scope(call.caller, method.scope)
    if method.right is not None:
        require_right(call.caller, method.right)
    if method.application and call.caller.application_id is None:
        raise Forbidden("application")
    return await method.run(call)


def taken(started: float, running: float, zone: tzinfo) -> dict[str, Any]:
    """The `time` of an answer that began at *started* and whose method began at *running*.

    All eight fields, since clients read them unchecked. Source: page "Data types", section time.
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
        "operating_reset_at": int(started) + OPERATING_WINDOW_S,
        "operating": 0,
    }
