"""When an event that failed is sent again."""

from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.events import (
    FIRST_RETRY_S,
    GIVEN_UP_AFTER_S,
    LONGEST_PAUSE_S,
    OVERTAKEN_AFTER_S,
    SECOND,
    after_failure,
)

NOW = 1_800_000_000 * SECOND


def test_the_pauses_triple_up_to_three_hours() -> None:
    since = NOW - 2 * OVERTAKEN_AFTER_S * SECOND

    pauses = [(after_failure(attempt, since, NOW, 0.0).next_at or 0) - NOW for attempt in range(1, 12)]

    assert [pause // SECOND for pause in pauses] == [5, 15, 45, 135, 405, 1215, 3645, 10_800, 10_800, 10_800, 10_800]


@given(st.integers(1, 1_000), st.integers(0, 2 * GIVEN_UP_AFTER_S), st.floats(0, 1))
def test_every_verdict_keeps_its_promises(attempts: int, age_s: int, luck: float) -> None:
    since = NOW - age_s * SECOND

    verdict = after_failure(attempts, since, NOW, luck)

    assert verdict.failing_since == since
    assert (verdict.next_at is None) == (age_s >= GIVEN_UP_AFTER_S)
    assert verdict.overtaken == (OVERTAKEN_AFTER_S <= age_s < GIVEN_UP_AFTER_S)
    if verdict.next_at is not None:
        assert NOW < verdict.next_at <= NOW + LONGEST_PAUSE_S * SECOND
        if not verdict.overtaken:
            assert verdict.next_at <= since + OVERTAKEN_AFTER_S * SECOND


def test_a_first_failure_is_where_the_hour_begins() -> None:
    verdict = after_failure(1, None, NOW, 1.0)

    assert verdict.failing_since == NOW
    assert verdict.next_at == NOW + FIRST_RETRY_S * SECOND // 2
