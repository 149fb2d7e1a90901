"""A rendition spec has one name, and that name one spec; who may get which format."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from packshot.domain.errors import InvalidValue
from packshot.domain.renditions import (
    MAX_SIDE_PX,
    MEDIA_TYPES,
    PRESETS,
    QUALITY,
    Format,
    RenditionSpec,
    Wish,
    at_density,
    check,
    is_opaque,
    key,
    negotiated,
    parse_key,
    presets,
    size_of,
    srcset,
    wished,
)

SIDES = st.integers(1, MAX_SIDE_PX)
HUNDREDTHS = st.integers(0, 100).map(lambda number: number / 100)
COMMON = {
    "focus": st.tuples(HUNDREDTHS, HUNDREDTHS),
    "background": st.tuples(*[st.integers(0, 255)] * 3),
    "format": st.sampled_from(list(QUALITY)),
    "quality": st.none() | st.integers(1, 100),
}
BOXES = st.builds(RenditionSpec, SIDES, SIDES, st.sampled_from(["inside", "cover", "pad"]), **COMMON)
WIDTHS = st.builds(RenditionSpec, SIDES, st.none(), **COMMON)
HEIGHTS = st.builds(RenditionSpec, st.none(), SIDES, **COMMON)
SPECS = BOXES | WIDTHS | HEIGHTS

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
OLD_SAFARI = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"
ALL: tuple[Format, ...] = ("avif", "webp", "jpeg", "png")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (RenditionSpec(400, 400, format="webp"), "400x400.webp"),
        (RenditionSpec(400, format="png"), "400x.png"),
        (RenditionSpec(None, 300, background=(0, 0, 255)), "x300-on0000ff.jpeg"),
        (RenditionSpec(800, 600, "cover", (0.3, 0.7), quality=60), "800x600-cover-at30,70-q60.jpeg"),
        (RenditionSpec(800, 600, "pad", background=(0, 0, 0), format="avif"), "800x600-pad-on000000.avif"),
        (PRESETS["card"], "400x400.jpeg"),
    ],
)
def test_a_key_can_be_read(spec: RenditionSpec, name: str) -> None:
    assert key(spec) == name
    assert parse_key(name) == spec


@given(SPECS)
@settings(deadline=None)
def test_reading_a_key_gives_a_spec_with_that_key(spec: RenditionSpec) -> None:
    check(spec)

    again = parse_key(key(spec))

    assert key(again) == key(spec)
    assert len(key(spec)) <= 50
    assert (again.width_px, again.height_px, again.fit, again.format) == (
        spec.width_px,
        spec.height_px,
        spec.fit,
        spec.format,
    )
    assert again.focus == (spec.focus if spec.fit == "cover" else (0.5, 0.5))
    assert again.background == (spec.background if is_opaque(spec) else (255, 255, 255))


@given(SPECS, SPECS)
@settings(deadline=None)
def test_specs_that_differ_where_it_matters_have_different_keys(one: RenditionSpec, other: RenditionSpec) -> None:
    assert (key(one) == key(other)) == (parse_key(key(one)) == parse_key(key(other)))


@given(st.text(alphabet="0123456789x-covrpadt,nq.jegbwif", max_size=60))
@settings(deadline=None)
def test_what_is_read_is_the_key_and_no_other_text(text: str) -> None:
    try:
        spec = parse_key(text)
    except InvalidValue:
        return

    assert key(spec) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x.jpeg",
        "0x100.jpeg",
        "0100x100.jpeg",
        "4097x1.jpeg",
        "99999x1.jpeg",
        "100x-cover.jpeg",
        "x100-pad.webp",
        "100x100-inside.jpeg",
        "100x100-at30,70.jpeg",
        "100x100-cover-at50,50.jpeg",
        "100x100-cover-at101,0.jpeg",
        "100x100-cover-at07,0.jpeg",
        "100x100-onffffff.jpeg",
        "100x100-onFF0000.jpeg",
        "100x100-on000000.webp",
        "100x100-q80.jpeg",
        "100x100-q101.jpeg",
        "100x100-q50.png",
        "100x100.jpg",
        "100x100.gif",
        "100x100.jpeg\n",
        "\u0661\u0660\u0660x100.jpeg",
        "100x100" + "0" * 10_000 + ".jpeg",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_key(text)


@pytest.mark.parametrize(
    "spec",
    [
        RenditionSpec(),
        RenditionSpec(100, None, "cover"),
        RenditionSpec(0, 100),
        RenditionSpec(100, -1),
        RenditionSpec(MAX_SIDE_PX + 1),
        RenditionSpec(9, 9, focus=(1.01, 0.5)),
        RenditionSpec(9, 9, focus=(0.5, float("nan"))),
        RenditionSpec(9, 9, background=(256, 0, 0)),
        RenditionSpec(9, 9, quality=0),
        RenditionSpec(9, 9, quality=101),
    ],
)
def test_a_spec_that_cannot_be_made_is_refused(spec: RenditionSpec) -> None:
    with pytest.raises(InvalidValue):
        check(spec)


def test_presets_can_be_made() -> None:
    for spec in PRESETS.values():
        check(spec)

    assert {name: spec.width_px for name, spec in PRESETS.items()} == {
        "thumbnail": 200,
        "card": 400,
        "preview": 1200,
        "zoom": 2400,
    }


def test_a_dense_screen_gets_more_pixels_of_the_same() -> None:
    spec = RenditionSpec(301, None, quality=60)

    assert at_density(spec, 1.5) == replace(spec, width_px=452)
    assert at_density(spec, 1) == spec
    assert at_density(RenditionSpec(1, 4000), 0.01) == RenditionSpec(1, 40)


@pytest.mark.parametrize("dpr", [0, -1, 3, 9, float("inf"), float("nan")])
def test_a_density_beyond_what_is_made_is_refused(dpr: float) -> None:
    with pytest.raises(InvalidValue):
        at_density(RenditionSpec(2000), dpr)


@pytest.mark.parametrize("dpr", [0.1, 1, 8])
@pytest.mark.parametrize("side_px", [0, -1, -5])
def test_a_side_that_is_none_is_refused_at_any_density(side_px: int, dpr: float) -> None:
    for sides in ((side_px, None), (None, side_px), (100, side_px)):
        with pytest.raises(InvalidValue):
            at_density(RenditionSpec(*sides), dpr)


@pytest.mark.parametrize(
    ("accept", "has_alpha", "available", "chosen"),
    [
        (CHROME, False, ALL, "avif"),
        (CHROME, True, ALL, "avif"),
        (CHROME, False, ("webp",), "webp"),
        (CHROME, False, (), "jpeg"),
        (CHROME, True, (), "png"),
        (OLD_SAFARI, False, ALL, "jpeg"),
        ("*/*", False, ALL, "jpeg"),
        ("image/*", True, ALL, "png"),
        ("", False, ALL, "jpeg"),
        ("text/html", False, ALL, "jpeg"),
        ("IMAGE/WEBP ; q=1.0", False, ALL, "webp"),
        ("image/avif;q=0, image/webp;q=0.001", False, ALL, "webp"),
        ("image/webp;q=0.5, image/jpeg", False, ALL, "jpeg"),
        ("image/webp;q=0.5, image/*;q=0.4", False, ALL, "webp"),
        ("image/avif;q=0.4, image/webp;q=0.5", False, ALL, "webp"),
        ("image/webp;q=2, image/avif;q=nan", False, ALL, "jpeg"),
        (",;,=;q,image/webp;;", False, ALL, "webp"),
    ],
)
def test_everybody_gets_the_best_format_they_name(
    accept: str, *, has_alpha: bool, available: tuple[Format, ...], chosen: Format
) -> None:
    assert negotiated(accept, has_alpha=has_alpha, available=available) == chosen


@given(accept=st.text(max_size=80), has_alpha=st.booleans(), available=st.sets(st.sampled_from(ALL)))
@settings(deadline=None)
def test_any_accept_header_has_an_answer(accept: str, *, has_alpha: bool, available: set[Format]) -> None:
    chosen = negotiated(accept, has_alpha=has_alpha, available=available)

    assert chosen in MEDIA_TYPES
    assert chosen in available | {"png" if has_alpha else "jpeg"}


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("card", Wish(RenditionSpec(400, 400), None, named=True)),
        ("card@2x", Wish(RenditionSpec(800, 800), None, named=True)),
        ("card@3x.jpg", Wish(RenditionSpec(1200, 1200), "jpeg", named=True)),
        ("card.jpeg", Wish(RenditionSpec(400, 400), "jpeg", named=True)),
        ("card.avif", Wish(RenditionSpec(400, 400), "avif", named=True)),
        ("300x", Wish(RenditionSpec(300), None, named=False)),
        ("x300-q60", Wish(RenditionSpec(None, 300, quality=60), None, named=False)),
        ("300x200-cover.png", Wish(RenditionSpec(300, 200, "cover", format="png"), "png", named=False)),
    ],
)
def test_an_address_asks_for_a_preset_or_a_spec(text: str, wish: Wish) -> None:
    assert wished(text, PRESETS) == wish


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hero", "is none of the presets card, preview, thumbnail, zoom"),
        ("Card", "is no size like"),
        ("card@1x", "is no size like"),
        ("card.gif", "is no size like"),
        ("zoom@2x", "has sides of 1 to 4096 pixels"),
        ("100x100-on000000.webp", "is called 100x100.webp"),
        ("100x100-onffffff", "is called 100x100"),
        ("100x100.jpg", "is called 100x100.jpeg"),
        ("x300-pad", "needs a width and a height"),
    ],
)
def test_an_address_that_asks_for_nothing_says_why(text: str, why: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(why)):
        wished(text, PRESETS)


@given(st.text(max_size=40))
def test_any_text_is_a_wish_or_is_refused(text: str) -> None:
    try:
        wish = wished(text, PRESETS)
    except InvalidValue:
        return

    check(wish.spec)


def test_presets_stand_beside_ours_or_in_their_place() -> None:
    found = presets(["hero=1600x900-cover-at30,70-q60", "card=x300", "hero=2x2"])

    assert found == PRESETS | {"hero": RenditionSpec(2, 2), "card": RenditionSpec(None, 300)}
    assert PRESETS["card"] == RenditionSpec(400, 400)


@pytest.mark.parametrize(
    "words",
    [
        "hero", "hero=", "=100x100", "Hero=100x100", "2big=100x100", "x300=100x100", "x300-cover=100x100",
        "x300-on000000=100x100", "a.b=100x100", "a@2x=100x100", f"{'a' * 33}=100x100", "hero=100x100.webp",
        "hero=100x100-q80", "hero=5000x", "hero=100x-cover", "hero=card",
    ],
)  # fmt: skip
def test_a_preset_without_a_good_name_or_spec_is_refused_by_what_it_says(words: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(repr(words))):
        presets([words])


def test_a_source_set_has_each_width_once_and_none_that_is_made_larger() -> None:
    all_presets = presets(["hero=1600x900-cover", "tall=x100", "small=60x60-pad"])

    def sources(width_px: int, height_px: int) -> str:
        return srcset(all_presets, (width_px, height_px), lambda name: f"/{name}")

    assert sources(3000, 2000) == "/tall 150w, /thumbnail 200w, /card 400w, /preview 1200w, /zoom 2400w"
    assert sources(300, 300) == "/tall 100w, /thumbnail 200w, /card 300w"
    assert sources(50, 80) == "/thumbnail 50w"
    assert sources(1, 4000) == "/thumbnail 1w"


@given(SPECS, st.tuples(st.integers(1, 9000), st.integers(1, 9000)))
def test_the_size_that_is_told_fits_and_is_never_larger_than_the_picture(
    spec: RenditionSpec, upright_px: tuple[int, int]
) -> None:
    size_px = size_of(spec, upright_px)

    asked_px = (spec.width_px or MAX_SIDE_PX, spec.height_px or MAX_SIDE_PX)
    if spec.fit == "inside":
        assert all(1 <= side <= min(most) for side, *most in zip(size_px, asked_px, upright_px, strict=True))
    else:
        assert size_px == asked_px
