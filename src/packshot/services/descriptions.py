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


class Rendition(msgspec.Struct, frozen=True):
    """Where it is, and its size in pixels."""

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
    renditions: dict[str, Rendition]
    srcset: str


async def describe(core: Core, picture: Picture, host: str) -> Description:
    """What is said of a picture whose renditions are on `host`, such as `https://img.example`.

    Raises: as `looks_of`.
    """
    looks = await looks_of(core, picture)
    upright_px = msgspec.structs.replace(picture, looks=looks).upright_px

    def url(preset: str) -> str:
        return host + rendition_path(picture.address, preset, picture.original.name, picture.version)

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
        {name: Rendition(url(name), *size_of(spec, upright_px)) for name, spec in core.presets.items()},
        srcset(core.presets, upright_px, url),
    )
