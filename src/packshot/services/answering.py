"""Does the database answer? Asked once for everybody who wants to know at about the same time."""

import asyncio
import time

import structlog

from packshot.domain.errors import PackshotError
from packshot.services.core import Core

PATIENCE_S = 2.0
"""What takes longer is no answer: a balancer asks elsewhere."""

FRESH_S = 1.0

_log = structlog.get_logger("packshot.answering")


class Answering:
    """Asks the database once a second at most, however many ask here."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._asked: asyncio.Task[bool] | None = None
        self._fresh_until = 0.0

    async def does(self) -> bool:
        """Whether the database answered within the last second, or does now."""
        if self._asked is None or (self._asked.done() and time.monotonic() > self._fresh_until):
            self._asked = asyncio.ensure_future(self._ask())
        await asyncio.wait([self._asked], timeout=PATIENCE_S)
        return self._asked.done() and self._asked.result()

    async def _ask(self) -> bool:
        try:
            await self._core.db.one("SELECT 1")
        except PackshotError:
            return False
        except Exception:  # noqa: BLE001 - a balancer asks elsewhere whatever it is
            _log.error("the database cannot be asked", exc_info=True)
            return False
        finally:
            self._fresh_until = time.monotonic() + FRESH_S
        return True
