"""Values in FinerWorks' shapes."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidValue
from packshot.protocols.finerworks import wire

ZONES = {"UTC": "+00:00", "America/Chicago": "-05:00", "Asia/Kolkata": "+05:30"}
MOMENT = 1_788_450_627_446_613


@pytest.mark.parametrize(
    ("sent", "read"),
    [(1, 1), ("1", 1), (" 12 ", 12), ("-3", -3), ("+3", 3), (2.0, 2), ("2.0", 2), (None, None), ("", None), (" ", None),
     (2**63 - 1, 2**63 - 1)],
)  # fmt: skip
def test_a_number_may_be_text(sent: Any, read: int | None) -> None:
    assert wire.integer({"per_page": sent}, "per_page") == read


@pytest.mark.parametrize(
    "sent", [True, "x", "1.5", 1.5, [], {}, "1e3", "\u0661", 2**63, "9" * 20, float(2**70), "0x1", "1_0"]
)
def test_what_is_no_whole_number_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidValue, match="per_page has to be a whole number"):
        wire.integer({"per_page": sent}, "per_page")


@pytest.mark.parametrize(("sent", "read"), [("a", "a"), ("", ""), (None, None), (7, "7"), (1.5, "1.5")])
def test_text_may_be_a_number(sent: Any, read: str | None) -> None:
    assert wire.text({"title": sent}, "title") == read


@pytest.mark.parametrize("sent", [True, [], {}, ["a"]])
def test_what_is_no_text_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidValue, match="title has to be text"):
        wire.text({"title": sent}, "title")


@pytest.mark.parametrize("zone", ZONES)
def test_a_date_has_seven_digits_and_the_offset_of_its_zone(zone: str) -> None:
    written = wire.write_date(MOMENT, ZoneInfo(zone))

    assert written.endswith(f":27.4466130{ZONES[zone]}")
    assert len(written) == len("2026-09-03T10:50:27.4466133-05:00")


@given(st.integers(0, 4_000_000_000_000_000), st.sampled_from(sorted(ZONES)))
def test_a_date_is_the_moment_it_was_made_of(moment: int, zone: str) -> None:
    from datetime import datetime

    written = wire.write_date(moment, ZoneInfo(zone))

    assert len(written) == 33
    whole, offset = written[:26], written[27:]
    assert written[26] == "0"
    read = datetime.fromisoformat(whole + offset)
    assert int(read.timestamp()) == moment // 1_000_000
    assert read.microsecond == moment % 1_000_000
