"""Pictures at their public addresses: renditions made when they are first asked for, and originals without secrets."""

import asyncio
import io
import os
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

import msgspec

from packshot.domain.errors import NotFound, StoreFull, UnacceptableImage, Unavailable
from packshot.domain.images import address_of
from packshot.domain.originals import Header, Looks, Picture
from packshot.domain.renditions import RECIPE, Format, RenditionSpec, Wish, key, negotiated, size_of
from packshot.imaging.jobs import Render, Strip
from packshot.imaging.process import Made
from packshot.services import originals, scrub
from packshot.services.contents import Content, of_kept, of_original
from packshot.services.core import Core
from packshot.storage import blob_rows, images
from packshot.storage.renditions import Kept

AVIF_PX = 4_500_000
"""Up to this size AVIF is made, and up to half of it of what is transparent.

Measured, so many pixels of noise take 1.4 s at the usual quality, and 2.4 s at the highest: a machine four times as
slow is done before a worker is taken for hung.
"""

_PLAIN: Collection[Format] = ("jpeg", "png", "webp")
_NO_COPY = (
    "There is no copy of this image without what is private in it. {why}."
    " To show the original as it is, its owner can set the privacy of the image to keep"
)
_PAUSE_S = 0.1
_SPARE = 2  # warm workers that are free: one always is, to step in for one that is lost


class Served(msgspec.Struct, frozen=True):
    """What a client gets. `by_accept`: another `Accept` header may get something else. `lasting`: it stays the same."""

    content: Content
    by_accept: bool
    lasting: bool


async def picture_at(core: Core, image_key: str) -> Picture:
    """The picture behind an image key; older versions show what the newest does.

    Raises:
        NotFound: there is none, it has expired, or its account is not open: then download links are closed, too.
    """
    if named := address_of(image_key):
        address, version = named
        picture = await images.find_public(core.db, address, core.now())
        if picture and version <= picture.version:
            return picture
    raise NotFound("image", image_key)


async def open_rendition(core: Core, picture: Picture, wish: Wish, accept: str) -> Served:
    """What a client that sent this `Accept` header gets: until an AVIF is ready, what is best without it.

    Raises: as `looks_of`.
    """
    looks = await looks_of(core, picture)
    picture = msgspec.structs.replace(picture, looks=looks)
    spec = _fitted(wish.spec, picture)
    formats = _formats(core, picture, spec)
    wanted = wish.format or negotiated(accept, has_alpha=looks.has_alpha, available=formats)
    by_accept, lasting = wish.format is None, True
    if wanted == "avif":
        avif = _as(spec, "avif")
        if ready := core.renditions.find(picture.original.key, _name(avif)):
            return Served(of_kept(core, picture.original, ready), by_accept, lasting)
        by_accept, lasting = True, "avif" not in formats or not core.renditions.keeps
        if not lasting:
            core.making.soon((picture.original.key, _name(avif)), lambda: _made_aside(core, picture, avif))
        wanted = negotiated(accept, has_alpha=looks.has_alpha, available=_PLAIN)
    kept = await _made(core, picture, _as(spec, wanted))
    return Served(of_kept(core, picture.original, kept), by_accept, lasting)


async def open_public(core: Core, picture: Picture) -> Content:
    """What everybody sees of the original, by its privacy.

    Raises:
        UnacceptableImage: no copy of it can be made; the original never takes its place.
        LimitReached, Unavailable: as `looks_of`.
    """
    privacy = picture.privacy or core.originals.privacy
    if privacy == "keep":
        return of_original(core, picture.original)
    original = picture.original

    def strip(header: Header, source: int) -> Awaitable[Made]:
        job = Strip(header, "nothing" if privacy == "strip_all" else "no location")
        return core.workers.strip(job, source, original.digest)

    try:
        kept = await _kept(core, picture, f"{RECIPE}-{privacy}", strip)
    except UnacceptableImage as error:
        raise UnacceptableImage(_NO_COPY.format(why=error)) from error
    content = of_kept(core, original, kept)
    return content if kept.media_type != original.media_type else msgspec.structs.replace(content, name=original.name)


def _formats(core: Core, picture: Picture, spec: RenditionSpec) -> Collection[Format]:
    """What there is, or soon will be, of such a rendition."""
    width_px, height_px = size_of(spec, picture.upright_px)
    planes = 2 if picture.looks and picture.looks.has_alpha else 1
    small = width_px * height_px * planes <= AVIF_PX
    hopeful = core.pictures.avif and not core.making.failed(picture.original.key)
    return (*_PLAIN, "avif") if small and hopeful else _PLAIN


def _fitted(spec: RenditionSpec, picture: Picture) -> RenditionSpec:
    """What it means for this picture: a spec without a focal point of its own has that of the image."""
    if spec.fit == "inside" and size_of(spec, picture.upright_px) == picture.upright_px:
        # All sizes that it is too small for are one.
        return msgspec.structs.replace(spec, width_px=picture.upright_px[0], height_px=picture.upright_px[1])
    return spec if spec.focus != (0.5, 0.5) else msgspec.structs.replace(spec, focus=picture.focus)


def _as(spec: RenditionSpec, form: Format) -> RenditionSpec:
    return msgspec.structs.replace(spec, format=form)


def _name(spec: RenditionSpec) -> str:
    return f"{RECIPE}-{key(spec)}"


async def looks_of(core: Core, picture: Picture) -> Looks:
    """What decoding finds out of the picture; written down the first time.

    Raises:
        UnacceptableImage: the original cannot be decoded.
        LimitReached: the image workers have more to do than they can take.
        Unavailable: the original cannot be read, or a worker was lost.
    """
    if picture.looks:
        return picture.looks
    original = picture.original

    async def look() -> Looks:
        file, header = await _opened(core, picture)
        with file:
            looks = await originals.decode(core, header, file.fileno(), original.digest)
        with suppress(StoreFull):  # then it is looked at again next time
            await core.db.write(lambda tx: blob_rows.describe(tx, picture.blob_id, looks))
        return looks

    return await core.making.once((original.key, "looks"), look)


async def _made_aside(core: Core, picture: Picture, spec: RenditionSpec) -> Kept:
    """The same as `_made` with what workers have to spare: whoever waits for an answer goes first."""
    await core.workers.start()
    while core.workers.waiting or core.workers.free < _SPARE:  # noqa: ASYNC110 - they tell nobody
        await asyncio.sleep(_PAUSE_S)
    return await _made(core, picture, spec)


async def _made(core: Core, picture: Picture, spec: RenditionSpec) -> Kept:
    def render(header: Header, source: int) -> Awaitable[Made]:
        return core.workers.render(Render(header, spec), source, picture.original.digest)

    return await _kept(core, picture, _name(spec), render)


async def _kept(core: Core, picture: Picture, name: str, make: Callable[[Header, int], Awaitable[Made]]) -> Kept:
    """What is kept under that name; if there is nothing, what is made of the original's header and file."""
    blob_key = picture.original.key
    if kept := core.renditions.find(blob_key, name):
        return kept

    async def made() -> Kept:
        file, header = await _opened(core, picture)
        with file:
            media_type, data = await make(header, file.fileno())
        return await core.renditions.keep(blob_key, name, media_type, data)

    return await core.making.once((blob_key, name), made)


async def _opened(core: Core, picture: Picture) -> tuple[io.FileIO, Header]:
    """The original's file, to be closed by the caller, and what its header says. Raises: Unavailable."""
    original = picture.original
    if not original.intact:
        raise Unavailable("original")
    if original.size_bytes <= scrub.CHECKED_BYTES:
        await scrub.read_checked(core, original, 0, 0)  # nothing is made of what is damaged
    file = await core.blobs.file(original.key)
    if os.fstat(file.fileno()).st_size != original.size_bytes:
        file.close()
        raise Unavailable("original")
    return file, Header(original.media_type, picture.width_px, picture.height_px, picture.frames)
