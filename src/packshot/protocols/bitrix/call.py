"""One call of one method: what a method function gets."""

from datetime import tzinfo
from typing import Any

import msgspec

from packshot.domain.access import Principal
from packshot.services.core import Core


class Call(msgspec.Struct, frozen=True):
    """The caller's parameters, already merged, with the address and zone that answers are written in."""

    core: Core
    caller: Principal
    params: dict[str, Any]
    base_url: str
    zone: tzinfo
