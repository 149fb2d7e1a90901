"""What is said of a picture: how it looks, and where its renditions are."""

import msgspec
import pybase64

from packshot.domain.images import rendition_path
from packshot.domain.originals import MediaType, Picture
from packshot.domain.renditions import size_of, srcset
from packshot.services.core import Core
from packshot.services.renditions import looks_of


class Focus(msgspec.Struct, frozen=True):
    """The point to keep in view, from (0, 0) at the top left to (1, 1)."""

    x: float
    y: float


class Shown(msgspec.Struct, frozen=True):
    """A rendition: its address and its size in pixels."""

    url: str
    width: int
    height: int


class Description(msgspec.Struct, frozen=True):
    """A picture as a page needs it. Sides are those of the upright picture, in pixels.

    `media_type` is that of the original, `dominant_colour` looks like `#c0ffee`, `thumbhash` is in base64, and
    `srcset` has those of the `renditions` that show the whole picture, by width.
    """

    width: int
    height: int
    media_type: MediaType
    frames: int
    has_alpha: bool
    colour_profile: str | None
    dominant_colour: str
    thumbhash: str
    focus: Focus
    version: int
    renditions: dict[str, Shown]
    srcset: str


async def describe(core: Core, picture: Picture, address: str, host: str) -> Description:
    """What is said of the picture at this address.

    Its renditions are on `host`, such as `https://shop.example`, unless the settings name another one.

    Raises:
        UnacceptableImage: the original cannot be decoded.
        LimitReached: the image workers have more to do than they can take.
        Unavailable: the original cannot be read, or a worker was lost.
    """
    looks = await looks_of(core, picture)
    picture = msgspec.structs.replace(picture, looks=looks)
    upright_px = picture.upright_px
    base = core.delivery.base_url or host

    def url(preset: str) -> str:
        return base + rendition_path(address, preset, picture.original.name, picture.version)

    return Description(
        *upright_px,
        picture.original.media_type,
        picture.frames,
        looks.has_alpha,
        looks.profile,
        f"#{bytes(looks.colour).hex()}",
        pybase64.b64encode(looks.thumbhash).decode(),
        Focus(*picture.focus),
        picture.version,
        {name: Shown(url(name), *size_of(spec, upright_px)) for name, spec in core.presets.items()},
        srcset(core.presets, upright_px, url),
    )
