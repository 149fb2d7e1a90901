"""`bitrix.simulate`: a chosen system error instead of an answer, to try how a client takes it."""

from collections.abc import Container

from packshot.domain.errors import InvalidValue
from packshot.protocols.bitrix.errors import SYSTEM_ERRORS, SystemRefusal

_AGAIN_S = 1
_PASSING = {429, 503}


def simulate(wanted: str, method: str) -> None:
    """Do nothing unless *wanted*, a setting that passed `check`, is about calls of *method*.

    Raises:
        SystemRefusal: the error that is wanted.
    """
    code, _, only = wanted.partition(" ")
    if only.strip().lower() in {"", method.lower()}:
        raise SystemRefusal(code, _AGAIN_S if SYSTEM_ERRORS[code].status in _PASSING else None)


def check(wanted: str, methods: Container[str]) -> None:
    """Make sure that *wanted* is empty, `CODE` or `CODE METHOD`; *methods* are the lower-case names there are.

    Raises:
        InvalidValue: it names an error or a method that does not exist.
    """
    code, _, only = wanted.partition(" ")
    if wanted and code not in SYSTEM_ERRORS:
        raise InvalidValue("simulate", f"there is no error {code!r}, only {', '.join(SYSTEM_ERRORS)}")
    if only.strip() and only.strip().lower() not in methods:
        raise InvalidValue("simulate", f"there is no method {only.strip()!r}")
