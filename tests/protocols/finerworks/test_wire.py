"""Values in FinerWorks' shapes."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest, InvalidValue
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
    written = wire.write_date(moment, ZoneInfo(zone))

    assert len(written) == 33
    whole, offset = written[:26], written[27:]
    assert written[26] == "0"
    read = datetime.fromisoformat(whole + offset)
    assert int(read.timestamp()) == moment // 1_000_000
    assert read.microsecond == moment % 1_000_000


@pytest.mark.parametrize(
    ("sent", "read"),
    [(True, True), (False, False), ("true", True), (" False ", False), (1, True), (0, False), ("1", True), ("0", False),
     (None, None), ("", None), (" ", None)],
)  # fmt: skip
def test_a_flag_may_be_text_or_a_number(sent: Any, read: Any) -> None:
    assert wire.flag({"active": sent}, "active") is read


@pytest.mark.parametrize("sent", ["yes", 2, -1, 1.5, [], {}, [True], "null"])
def test_what_is_neither_yes_nor_no_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidValue, match=r"images\[0\]\.visible has to be true or false"):
        wire.flag({"visible": sent}, "visible", "images[0].")


def test_text_has_a_length() -> None:
    assert wire.text({"title": "x" * 5}, "title", most=5) == "xxxxx"
    with pytest.raises(InvalidValue, match="title has more than 5 characters"):
        wire.text({"title": "x" * 6}, "title", most=5)


@pytest.mark.parametrize("sent", [None, "", " "])
def test_an_empty_date_is_none(sent: Any) -> None:
    assert wire.span({"from": sent}, "from", UTC) is None


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-09-03T10:50:27.4466130-05:00", "2026-09-03T15:50:27.446613+00:00"),
        ("2026-09-03T10:50:27.4466139-0500", "2026-09-03T15:50:27.446613+00:00"),
        ("2026-09-03T10:50:27Z", "2026-09-03T10:50:27+00:00"),
        ("2026-09-03t10:50:27z", "2026-09-03T10:50:27+00:00"),
        ("2026-09-03T10:50:27", "2026-09-03T15:50:27+00:00"),
        (" 2026-09-03 10:50 ", "2026-09-03T15:50:00+00:00"),
    ],
)
def test_a_date_with_a_time_is_one_moment(sent: str, read: str) -> None:
    found = wire.span({"from": sent}, "from", ZoneInfo("America/Chicago"))

    begin = round(datetime.fromisoformat(read).timestamp() * 1_000_000)
    assert found == (begin, begin + 1)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [("2026-09-03", "UTC", 24), ("2026-03-08", "America/Chicago", 23), ("2026-11-01", "America/Chicago", 25),
     ("2018-02-17", "America/Sao_Paulo", 25), ("2018-11-04", "America/Sao_Paulo", 23)],
)  # fmt: skip
def test_a_date_without_a_time_is_the_whole_day(day: str, zone: str, hours: int) -> None:
    found = wire.span({"to": day}, "to", ZoneInfo(zone))

    assert found is not None
    assert found[1] - found[0] == hours * 3_600_000_000


@pytest.mark.parametrize(
    "sent",
    ["x", "2026-9-3", "2026-02-30", "20260903", "2026-W01-1", "2026-09-03T25:00", "2026-09-03T", "03.09.2026",
     "2026-09-03T10:50:27+99:00", "\u0662026-09-03", 20260903, True, [], "2026-09-03\x00"],
)  # fmt: skip
def test_what_is_no_date_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        wire.span({"from": sent}, "from", UTC)

    assert refused.value.field == "from"


@given(st.integers(0, 4_000_000_000_000_000), st.sampled_from(sorted(ZONES)), st.sampled_from(sorted(ZONES)))
def test_a_date_that_we_wrote_is_read_as_that_moment(moment: int, written_in: str, read_in: str) -> None:
    written = wire.write_date(moment, ZoneInfo(written_in))

    assert wire.span({"from": written}, "from", ZoneInfo(read_in)) == (moment, moment + 1)


@given(st.dates(), st.sampled_from(sorted(ZONES)))
def test_every_day_can_be_asked_for(day: date, zone: str) -> None:
    found = wire.span({"from": day.isoformat()}, "from", ZoneInfo(zone))

    assert found is not None
    assert found[0] < found[1]


@pytest.mark.parametrize(
    ("sent", "read"),
    [(["a", 1], ["a", 1]), ("a", ["a"]), (7, [7]), ([], []), (None, None), ("", None), ([None], [None])],
)
def test_a_list_may_be_one_text(sent: Any, read: list[Any] | None) -> None:
    assert wire.items({"guids": sent}, "guids") == read


@pytest.mark.parametrize("sent", [{}, {"0": "a"}, True])
def test_what_is_no_list_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidValue, match="guids has to be a list"):
        wire.items({"guids": sent}, "guids")


def test_a_list_of_objects_has_a_length_and_nothing_else_in_it() -> None:
    assert wire.objects({"images": [{}, {}]}, "images", 2) == [{}, {}]
    assert wire.objects({"images": []}, "images", 2) == []
    for sent, field in ((None, "images"), ({}, "images"), ([{}] * 3, "images"), ([{}, 7], "images[1]")):
        with pytest.raises(InvalidRequest) as refused:
            wire.objects({"images": sent}, "images", 2)
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("sent", "page"),
    [
        ({}, (1, 10, 0)),
        ({"page_number": "3", "per_page": "20"}, (3, 20, 40)),
        ({"page_number": 0, "per_page": 0}, (1, 10, 0)),
        ({"page_number": -1, "per_page": 51}, (1, 50, 0)),
        ({"page_number": 2**63 - 1, "per_page": 50}, (2**63 - 1, 50, 2**63 - 1)),
    ],
)
def test_a_page_has_a_number_a_size_and_a_beginning(sent: Any, page: tuple[int, int, int]) -> None:
    assert wire.paging(sent) == page


@pytest.mark.parametrize(
    ("sent", "order"),
    [
        ({}, ("id", True)),
        ({"sort_field": " Title ", "sort_direction": " asc "}, ("name", False)),
        ({"sort_field": "price", "sort_direction": "sideways"}, ("id", True)),
        ({"sort_field": 7, "sort_direction": None}, ("id", True)),
    ],
)
def test_an_order_that_is_not_known_is_the_newest_first(sent: Any, order: tuple[str, bool]) -> None:
    assert wire.ordering(sent, {"id": "id", "title": "name"}) == order
