"""A rendition: bytes made from an original, by a spec that has one name."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Final, Literal, cast, get_args

import msgspec

from packshot.domain.errors import InvalidValue

Fit = Literal["inside", "cover", "pad"]
"""How a picture meets the size that is asked for.

`inside`: as large as fits, never larger than it is. `cover`: fills the size exactly, cut around the focal point and
enlarged if it has to be. `pad`: fits inside, never larger than it is, and stands in the middle of a background of
exactly that size.
"""

Format = Literal["jpeg", "png", "webp", "avif"]

MAX_SIDE_PX = 4096
MAX_QUALITY = 100
MAX_DENSITY = 8

QUALITY: Final[dict[Format, int]] = {"jpeg": 80, "png": MAX_QUALITY, "webp": 78, "avif": 50}
"""What a spec without a quality gets: much the same to the eye in every format. PNG loses nothing and has no other."""

FORMATS: Final[dict[str, Format]] = {name: name for name in get_args(Format)} | {"jpg": "jpeg"}
"""By the words that are taken for them."""

MEDIA_TYPES: Final[dict[Format, str]] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
}


class RenditionSpec(msgspec.Struct, frozen=True):
    """What to make of an original, in pixels of the result.

    One side may be None, for `inside` only: then the other alone decides. `focus` is the point of the upright picture
    that `cover` keeps in view, from (0, 0) at the top left to (1, 1), exact to a hundredth. `background` (red, green,
    blue) shows where the result cannot be transparent: in a JPEG, and with `pad` in every format. `quality` 1..100;
    None means that of the format.
    """

    width_px: int | None = None
    height_px: int | None = None
    fit: Fit = "inside"
    focus: tuple[float, float] = (0.5, 0.5)
    background: tuple[int, int, int] = (255, 255, 255)
    format: Format = "jpeg"
    quality: int | None = None


PRESETS: Final[dict[str, RenditionSpec]] = {
    name: RenditionSpec(side_px, side_px)
    for name, side_px in (("thumbnail", 200), ("card", 400), ("preview", 1200), ("zoom", 2400))
}
"""Renditions with a name of their own; the format is negotiated."""

RECIPE = 1
"""Grows when the same spec begins to make other bytes, so that none made before are taken for new ones."""


class Wish(msgspec.Struct, frozen=True):
    """A rendition as an address asks for it; without a `format` that is up to what the client takes.

    `named`: it is one of the presets, which everybody may see.
    """

    spec: RenditionSpec
    format: Format | None
    named: bool


_MOST = 255
_PRESET_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_FORMAT = rf"\.(?P<format>{'|'.join(FORMATS)})"
_NAMED = re.compile(rf"(?P<preset>{_PRESET_NAME.pattern})(?:@(?P<density>[23])x)?(?:{_FORMAT})?", re.ASCII)
_KEY = re.compile(
    r"(?P<width>[1-9]\d{0,3})?x(?P<height>[1-9]\d{0,3})?(?:-(?P<fit>cover|pad))?"
    r"(?:-at(?P<x>\d{1,3}),(?P<y>\d{1,3}))?(?:-on(?P<background>[0-9a-f]{6}))?(?:-q(?P<quality>[1-9]\d{0,2}))?"
    + _FORMAT,
    re.ASCII,
)


def key(spec: RenditionSpec) -> str:
    """The one name of what a spec makes: `400x400.webp`, `800x600-cover-at30,70-q60.jpeg`, `x300-pad-on000000.png`.

    What makes no difference is left out, so specs that make the same picture have the same key.
    """
    at = tuple(round(100 * share) for share in spec.focus) if spec.fit == "cover" else (50, 50)
    parts = [
        f"{spec.width_px or ''}x{spec.height_px or ''}",
        "" if spec.fit == "inside" else f"-{spec.fit}",
        "" if at == (50, 50) else "-at{},{}".format(*at),
        f"-on{bytes(spec.background).hex()}" if is_opaque(spec) and spec.background != (255, 255, 255) else "",
        "" if quality(spec) == QUALITY[spec.format] else f"-q{spec.quality}",
        f".{spec.format}",
    ]
    return "".join(parts)


def parse_key(text: str) -> RenditionSpec:
    """The spec that has this key; only the very text that `key` gives is taken. Raises: InvalidValue."""
    spec = _parsed(text)
    _require_name(key(spec), text)
    return spec


def _without_format(text: str) -> RenditionSpec:
    """The same of a key that ends before its format."""
    spec = _parsed(f"{text}.jpeg")
    _require_name(key(spec).removesuffix(".jpeg"), text)
    return spec


def _parsed(text: str) -> RenditionSpec:
    if not (found := _KEY.fullmatch(text)):
        raise InvalidValue("rendition", "is no size like 400x300-cover, with or without a format")
    part = found.groupdict()
    spec = RenditionSpec(
        width_px=_number(part["width"]),
        height_px=_number(part["height"]),
        fit=cast("Fit", part["fit"] or "inside"),
        focus=(int(part["x"] or 50) / 100, int(part["y"] or 50) / 100),
        background=cast("tuple[int, int, int]", tuple(bytes.fromhex(part["background"] or "ffffff"))),
        format=FORMATS[part["format"]],
        quality=_number(part["quality"]),
    )
    check(spec)
    return spec


def _require_name(name: str, text: str) -> None:
    if text != name:
        raise InvalidValue("rendition", f"is called {name}")


def presets(more: Collection[str]) -> dict[str, RenditionSpec]:
    """All presets: ours, and beside or in the place of them those in words like `hero=1600x900-cover`.

    Raises:
        InvalidValue: one has no such form, or nothing can be made of it.
    """
    found = dict(PRESETS)
    for words in more:
        name, equals, text = words.partition("=")
        if not equals or not _PRESET_NAME.fullmatch(name) or _KEY.fullmatch(f"{name}.jpeg"):
            raise InvalidValue("presets", f"{words!r} does not look like hero=1600x900-cover")
        try:
            found[name] = _without_format(text)
        except InvalidValue as error:
            raise InvalidValue("presets", f"{words!r} cannot be made: {error}") from None
    return found


def wished(text: str, presets: Mapping[str, RenditionSpec]) -> Wish:
    """What an address asks for: `card`, `card@2x`, `card.webp`, or the key of a spec, with or without its format.

    Raises:
        InvalidValue: there is no such preset, or nothing of that spec can be made.
    """
    found = _NAMED.fullmatch(text)
    if found and found["preset"] in presets:
        spec = at_density(presets[found["preset"]], int(found["density"] or 1))
        return Wish(spec, FORMATS.get(found["format"]), named=True)
    if found and not _KEY.fullmatch(f"{found['preset']}.jpeg"):
        raise InvalidValue("rendition", f"is none of the presets {', '.join(sorted(presets))}")
    if text.rpartition(".")[2] in FORMATS:
        spec = parse_key(text)
        return Wish(spec, spec.format, named=False)
    return Wish(_without_format(text), None, named=False)


def size_of(spec: RenditionSpec, upright_px: tuple[int, int]) -> tuple[int, int]:
    """Width and height of what a spec makes of an upright picture of that size."""
    width_px, height_px = spec.width_px or MAX_SIDE_PX, spec.height_px or MAX_SIDE_PX
    if spec.fit != "inside":
        return width_px, height_px
    scale = min(width_px / upright_px[0], height_px / upright_px[1], 1)
    return max(1, round(upright_px[0] * scale)), max(1, round(upright_px[1] * scale))


def srcset(presets: Mapping[str, RenditionSpec], upright_px: tuple[int, int], url: Callable[[str], str]) -> str:
    """The value of that attribute of an `img`: the presets that show all of a picture, by width, each width once.

    `url` gives the address of a preset, without spaces or commas.
    """
    widths: dict[int, str] = {}
    for name, spec in presets.items():
        if spec.fit == "inside":
            widths.setdefault(size_of(spec, upright_px)[0], name)
    return ", ".join(f"{url(name)} {width_px}w" for width_px, name in sorted(widths.items()))


def _number(digits: str | None) -> int | None:
    return int(digits) if digits else None


def check(spec: RenditionSpec) -> None:
    """Refuse a spec that nothing can be made of, or that costs too much. Raises: InvalidValue."""
    sides = [side for side in (spec.width_px, spec.height_px) if side is not None]
    if not sides or (spec.fit != "inside" and len(sides) == 1):
        raise InvalidValue("rendition", "needs a width and a height; inside, one of them is enough")
    if not all(1 <= side <= MAX_SIDE_PX for side in sides):
        raise InvalidValue("rendition", f"has sides of 1 to {MAX_SIDE_PX} pixels")
    if not all(0 <= share <= 1 for share in spec.focus):
        raise InvalidValue("focal point", "lies between 0 and 1")
    if not all(0 <= part <= _MOST for part in spec.background):
        raise InvalidValue("background", "is made of three numbers from 0 to 255")
    if not 1 <= quality(spec) <= MAX_QUALITY:
        raise InvalidValue("quality", f"is a number from 1 to {MAX_QUALITY}")


def quality(spec: RenditionSpec) -> int:
    """The quality that counts, 1..100."""
    return QUALITY[spec.format] if spec.quality is None or spec.format == "png" else spec.quality


def is_opaque(spec: RenditionSpec) -> bool:
    """Whether the result has a background wherever the original is transparent."""
    return spec.format == "jpeg" or spec.fit == "pad"


def at_density(spec: RenditionSpec, dpr: float) -> RenditionSpec:
    """The same for a screen of `dpr` pixels to one of CSS. Raises: InvalidValue if that is more than we make."""
    if not 0 < dpr <= MAX_DENSITY:
        raise InvalidValue("device pixel ratio", f"is a number up to {MAX_DENSITY}")
    # At least one pixel; of what is less already, it is `check` that says so.
    width_px, height_px = (side and max(min(side, 1), round(side * dpr)) for side in (spec.width_px, spec.height_px))
    larger = msgspec.structs.replace(spec, width_px=width_px, height_px=height_px)
    check(larger)
    return larger


def negotiated(accept: str, *, has_alpha: bool, available: Collection[Format]) -> Format:
    """The format for a client that sent this `Accept` header, out of those `available`.

    AVIF and WebP go only to those who name them: wildcards come from programs that never heard of them. Everybody
    gets JPEG, or PNG where there is something transparent, unless they prefer the others or say nothing of images.
    """
    plain: Format = "png" if has_alpha else "jpeg"
    wishes = _wishes(accept)
    wanted = {name: wishes.get(MEDIA_TYPES[name], 0.0) for name in ("avif", "webp") if name in available}
    wanted[plain] = next((wishes[one] for one in (MEDIA_TYPES[plain], "image/*", "*/*") if one in wishes), 0.0)
    best = max(wanted, key=lambda name: wanted[name])
    return cast("Format", best) if wanted[best] > 0 else plain


@lru_cache(maxsize=256)
def _wishes(accept: str) -> Mapping[str, float]:
    """By media range, in lower case, how much it is wanted: 0 to 1. What cannot be read is not wanted."""
    wishes = {}
    for one in accept.lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        weight = next((part[2:].strip() for part in parameters if part.startswith("q=")), "1")
        wishes[name] = float(weight) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", weight, re.ASCII) else 0.0
    return wishes
