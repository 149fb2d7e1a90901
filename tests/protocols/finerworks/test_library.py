"""Which library is meant, guids, and the names our addresses end with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.domain.errors import InvalidRequest, InvalidValue, MissingField
from packshot.domain.images import public_path
from packshot.domain.libraries import Place, short_name
from packshot.protocols.finerworks.library import guid_of, place_of, site_id_of

GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
SESSION = "0123456789"
TEMPORARY = Place("temporary", SESSION)


@pytest.mark.parametrize("params", [{}, {"library": None}, {"library": ""}, {"session_id": SESSION}])
def test_no_library_is_no_place(params: Any) -> None:
    assert place_of(params) is None
    assert site_id_of(params) is None


@pytest.mark.parametrize(
    ("library", "place"),
    [
        ({}, Place()),
        ({"name": None, "session_id": None, "site_id": 2}, Place()),
        ({"name": "", "session_id": ""}, Place()),
        ({"account_key": "a", "site_id": 2, "session_id": "s1234567"}, Place()),
        ({"name": "Inventory"}, Place()),
        ({"name": "inventory", "session_id": "x" * 50}, Place()),
        ({"name": "temporary", "session_id": SESSION}, TEMPORARY),
        ({"name": " TEMPORARY ", "session_id": SESSION}, TEMPORARY),
        ({"name": "temporary", "session_id": 12345678}, Place("temporary", "12345678")),
    ],
)
def test_a_library_is_read_with_what_clients_leave_out(library: Any, place: Place) -> None:
    assert place_of({"library": library}) == place


@pytest.mark.parametrize(
    ("library", "field"),
    [
        ({"name": "other"}, "library.name"),
        ({"name": ["inventory"]}, "library.name"),
        ({"session_id": "1234567"}, "library.session_id"),
        ({"session_id": "x" * 51}, "library.session_id"),
        ({"name": "temporary", "session_id": "x" * 51}, "library.session_id"),
        ({"name": "temporary"}, "library.session_id"),
        ({"name": "temporary", "session_id": ""}, "library.session_id"),
        ({"name": "temporary", "session_id": None}, "library.session_id"),
        ("inventory", "library"),
        ([], "library"),
        (7, "library"),
        (False, "library"),
    ],
)
def test_a_library_that_makes_no_sense_is_refused_by_its_field(library: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        place_of({"library": library})

    assert refused.value.field == field
    assert type(refused.value) in {InvalidValue, MissingField}


@pytest.mark.parametrize(("sent", "read"), [(2, 2), ("2", 2), (0, 0), (None, None), ("", None)])
def test_decision_23_a_site_id_is_a_number_or_nothing(sent: Any, read: int | None) -> None:
    assert site_id_of({"library": {"site_id": sent}}) == read


@pytest.mark.parametrize("sent", [GUID, GUID.upper(), f" {GUID}\n"])
def test_a_guid_is_known_in_any_case(sent: str) -> None:
    assert guid_of(sent) == GUID


@pytest.mark.parametrize(
    "sent",
    ["", "g1", GUID.replace("-", ""), f"{{{GUID}}}", GUID[:-1], GUID + "0", "\u0661" + GUID[1:], None, 7, [GUID]],
)
def test_what_is_no_guid_is_none(sent: Any) -> None:
    assert guid_of(sent) is None


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("dunes.jpg", "dunes.jpg"),
        ("Dunes & sea (2).jpg", "Dunes-sea-2-.jpg"),
        ("d\u00fcne.jpg", "dune.jpg"),
        ("\u0444\u043e\u0442\u043e.jpg", "image.jpg"),
        ("\u6d77", "image"),
        ("..", "image.."),
        ("a/../b.jpg", "a-..-b.jpg"),
        ("x" * 200 + ".jpg", "x" * 96 + ".jpg"),
    ],
)
def test_our_addresses_end_with_a_plain_name(name: str, short: str) -> None:
    assert short_name(name) == short


@given(st.text(max_size=300))
def test_no_name_makes_an_address_long_or_another(name: str) -> None:
    short = short_name(name)

    assert 0 < len(short) <= 100
    assert short not in {".", ".."}
    assert public_path("abc/key", short) == f"/upload/iblock/abc/key/{short}"
