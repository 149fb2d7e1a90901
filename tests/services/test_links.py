"""Links to renditions that are no presets: good for one rendition of one image, and for their time."""

import dataclasses
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import Clock
from packshot.domain.errors import Unauthenticated
from packshot.services import links
from packshot.services.core import Core

KEY = "k" * 32
SPEC = "640x480-cover"


def is_good(core: Core, signature: str, key: str = KEY, spec: str = SPEC) -> bool:
    try:
        links.check(core, key, spec, signature)
    except Unauthenticated:
        return False
    return True


@pytest.fixture
def signature(core: Core, clock: Clock) -> str:
    return links.sign(core, KEY, SPEC, int(clock()) + 60)


def test_a_link_is_good_for_its_image_and_its_rendition_alone(core: Core, signature: str) -> None:
    assert is_good(core, signature)
    assert not is_good(core, signature, key="l" * 32)
    for spec in (f"{SPEC}.webp", f"{SPEC}-at0,0", "640x480", "641x480-cover", "", f"{SPEC}/"):
        assert not is_good(core, signature, spec=spec), spec


def test_a_link_to_an_older_or_newer_address_of_the_image_is_good(core: Core, signature: str) -> None:
    assert is_good(core, signature, key=f"{KEY}-2")
    assert is_good(core, links.sign(core, f"{KEY}-7", SPEC))


def test_not_one_bit_of_a_signature_can_be_another(core: Core, signature: str) -> None:
    data = urlsafe_b64decode(signature)

    for bit in range(8 * len(data)):
        changed = (int.from_bytes(data) ^ 1 << bit).to_bytes(len(data))
        assert not is_good(core, urlsafe_b64encode(changed).decode()), bit


def test_not_one_character_of_a_signature_can_be_another(core: Core, signature: str) -> None:
    for place, there in enumerate(signature):
        for other in ("A", "B", "+", " ", "=", "\n", ""):
            if other != there:
                assert not is_good(core, signature[:place] + other + signature[place + 1 :]), (place, other)
    assert not is_good(core, signature + "AAAA")
    assert not is_good(core, signature[:-4])


def test_any_text_is_a_signature_or_none(core: Core) -> None:
    @given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: urlsafe_b64encode(data).decode()))
    def is_none(text: str) -> None:
        assert not is_good(core, text)

    is_none()


def test_a_link_is_good_until_its_second_is_over_and_says_how_long_that_is(
    core: Core, signature: str, clock: Clock
) -> None:
    whole_s = links.check(core, KEY, SPEC, signature)
    clock.advance(60)
    last_s = links.check(core, KEY, SPEC, signature)
    clock.advance(1)

    with pytest.raises(Unauthenticated) as caught:
        links.check(core, KEY, SPEC, signature)

    assert (whole_s, last_s, caught.value.why) == (60, 0, "expired")


def test_a_link_without_an_end_is_good_for_ever(core: Core, clock: Clock) -> None:
    signature = links.sign(core, KEY, SPEC)
    clock.advance(50 * 365 * 86_400)

    assert links.check(core, KEY, SPEC, signature) is None


def test_a_link_outlives_the_key_that_made_it_until_that_key_is_gone(core: Core, signature: str) -> None:
    (old,) = core.signing_keys
    both = dataclasses.replace(core, signing_keys={**core.signing_keys, old + 1: b"n" * 32})
    newest = dataclasses.replace(core, signing_keys={old + 1: b"n" * 32})
    by_new = links.sign(both, KEY, SPEC)

    assert is_good(both, signature)
    assert is_good(both, by_new)
    assert is_good(newest, by_new)
    assert not is_good(newest, signature)
    assert not is_good(core, by_new)


def test_what_is_said_of_a_link_without_a_signature_is_that_there_is_none(core: Core) -> None:
    with pytest.raises(Unauthenticated) as caught:
        links.check(core, KEY, SPEC, "")

    assert caught.value.why == "absent"
