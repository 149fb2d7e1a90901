"""Failed logins are counted by where they come from, and not for ever."""

import pytest

from build import Clock
from packshot.domain.errors import LimitReached
from packshot.services import attempts
from packshot.services.attempts import Attempts


def fail(counted: Attempts, source: str, times: int) -> None:
    for _ in range(times):
        counted.begin(source)


def test_the_window_moves_with_each_failure(clock: Clock) -> None:
    counted = Attempts(clock)
    fail(counted, "192.0.2.1", 5)
    clock.advance(600)
    fail(counted, "192.0.2.1", 5)

    with pytest.raises(LimitReached) as refused:
        counted.begin("192.0.2.1")

    assert refused.value.retry_after_s == 300
    clock.advance(300)
    fail(counted, "192.0.2.1", 5)
    with pytest.raises(LimitReached):
        counted.begin("192.0.2.1")


def test_a_right_password_takes_back_its_own_attempt_only(clock: Clock) -> None:
    counted = Attempts(clock)
    fail(counted, "192.0.2.1", 9)

    for _ in range(20):
        counted.begin("192.0.2.1")
        counted.succeeded("192.0.2.1")

    fail(counted, "192.0.2.1", 1)
    with pytest.raises(LimitReached):
        counted.begin("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [("192.0.2.1", "192.0.2.2", False), ("2001:db8::1", "2001:db8::ffff:2", True),
     ("2001:db8::1", "2001:db8:0:1::1", False),
     ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False), ("", "192.0.2.1", False)],
)  # fmt: skip
def test_addresses_of_one_network_of_ipv6_count_together(clock: Clock, one: str, other: str, *, together: bool) -> None:
    counted = Attempts(clock)
    fail(counted, one, 10)

    if together:
        with pytest.raises(LimitReached):
            counted.begin(other)
    else:
        counted.begin(other)


def test_no_more_than_so_many_addresses_are_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_ADDRESSES", 3)
    counted = Attempts(clock)
    fail(counted, "192.0.2.1", 10)
    for last in (2, 3, 4):
        counted.begin(f"192.0.2.{last}")

    counted.begin("192.0.2.1")  # forgotten

    assert len(counted._failures) == 3  # noqa: SLF001
