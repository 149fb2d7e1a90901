"""Pictures of libraries: what is said of them, what matters in them, and addresses of any rendition."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType, structs

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import Conflict, InvalidValue, NotFound, UnacceptableImage
from packshot.domain.images import key_of, rendition_path
from packshot.domain.libraries import LibraryImage, Place, short_name
from packshot.domain.originals import Picture, Privacy
from packshot.domain.renditions import wished
from packshot.services import audit, descriptions, events, libraries, links
from packshot.services.core import DAY_S, LAST_S, Core
from packshot.services.descriptions import Description
from packshot.services.renditions import looks_of
from packshot.storage import images, library
from packshot.storage.database import Reads, Tx

MAX_LASTS_S = 3_650 * DAY_S
"""How long a link may last that ends."""

_ELSEWHERE = "The file of this image lies with somebody else"


class Change(Struct, frozen=True):
    """How the picture of the image with that guid is to be shown; what is UNSET stays as it is.

    `focus` is the point of the upright picture to keep in view, from (0, 0) at the top left to (1, 1), exact to a
    hundredth; None is its middle. `privacy` is what its public original loses; None leaves that to the settings.
    """

    guid: str
    focus: tuple[float, float] | UnsetType | None = UNSET
    privacy: Privacy | UnsetType | None = UNSET


class Described(Description, frozen=True, kw_only=True):
    """A picture with all that is known of it. `privacy` is None where the settings decide.

    `perceptual_hash` has 16 hex digits: the more bits two of them share, the more two pictures look alike.
    """

    privacy: Privacy | None
    perceptual_hash: str


async def describe(
    core: Core, caller: Principal, guids: Sequence[str], host: str, place: Place | None = None
) -> dict[str, Described | None]:
    """By guid, what there is to say of the images' pictures, wherever they are or only in *place*; misses are left out.

    None stands for a picture that lies with somebody else, whose bytes are lost, or that cannot be decoded.

    Raises:
        Forbidden: the caller may not look at images.
        LimitReached: pictures nobody decoded before are among them, and the workers have more to do than they can take.
        Unavailable: the store cannot be read, or a worker was lost.
    """
    require_right(caller, "image:read")
    there = await libraries.found(core.db, core, caller, guids, place)
    return {image.guid: await _described(core, image, host) for image in there}


async def _described(core: Core, image: LibraryImage, host: str) -> Described | None:
    picture = await _picture(core.db, image, core.now())
    if picture is None or not picture.original.intact:
        return None
    try:
        looks = await looks_of(core, picture)
    except UnacceptableImage:
        return None
    original = structs.replace(picture.original, name=short_name(image.name))
    picture = structs.replace(picture, original=original, looks=looks)
    said = await descriptions.describe(core, picture, host)
    return Described(**structs.asdict(said), privacy=picture.privacy, perceptual_hash=f"{looks.phash:016x}")


async def _picture(reads: Reads, image: LibraryImage, now: int) -> Picture | None:
    return await images.find_picture(reads, image.address, now) if image.address else None


async def change(core: Core, caller: Principal, changes: Sequence[Change], place: Place | None = None) -> set[str]:
    """Show pictures otherwise, wherever they are or only in *place*; return the guids of those that are there.

    All of it or nothing. What is not there is passed over, and what would stay as it is gets no new version.

    Raises:
        Forbidden: the caller may only look.
        InvalidValue: the file of one lies with somebody else.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    guids = [change.guid for change in changes]
    now = core.now()

    async def work(tx: Tx) -> set[str]:
        await library.hold(tx, caller.account_id, guids)
        there = {image.guid: image for image in await libraries.found(tx, core, caller, guids, place)}
        changed: dict[str, LibraryImage] = {}
        for index, change in enumerate(changes):
            if (image := there.get(change.guid)) is None:
                continue
            if (picture := await _picture(tx, image, now)) is None:
                raise InvalidValue(f"images[{index}].guid", _ELSEWHERE)
            if (other := _changed(picture, change)) != picture:
                fields = [name for name in ("focus", "privacy") if getattr(other, name) != getattr(picture, name)]
                await audit.note(tx, caller, "changed", [audit.of_image(image, fields=fields)], now)
                await library.update_picture(tx, caller.account_id, image.id, other, now)
                changed[image.guid] = image
        await events.note_images(tx, caller, "PACKSHOT.IMAGE.ON.UPDATE", changed.values(), now)
        product_ids = dict.fromkeys(image.product_id for image in changed.values() if image.product_id is not None)
        await events.note_new_looks(tx, caller, product_ids, now)
        return set(there)

    return await core.db.write(work)


def _changed(picture: Picture, change: Change) -> Picture:
    focus, privacy = picture.focus, picture.privacy
    if change.focus is not UNSET:
        x, y = change.focus or (0.5, 0.5)
        focus = (round(100 * x) / 100, round(100 * y) / 100)
    if change.privacy is not UNSET:
        privacy = change.privacy
    return structs.replace(picture, focus=focus, privacy=privacy)


async def addresses(
    core: Core,
    caller: Principal,
    guid: str,
    renditions: Sequence[str],
    lasts_s: int | None = None,
    place: Place | None = None,
) -> list[str]:
    """The root-relative addresses of an image's renditions, each named by a preset or a spec, in their order.

    Those of presets are public. The others are signed and good for so many seconds, or for as long as the image.

    Raises:
        Forbidden: the caller may not look at images.
        NotFound: no such image.
        Conflict: its file lies with somebody else.
        InvalidValue: nothing of that name can be made, or a link shall last longer than `MAX_LASTS_S` or not at all.
        Unavailable: the database cannot be read.
    """
    require_right(caller, "image:read")
    if lasts_s is not None and lasts_s not in range(1, MAX_LASTS_S + 1):
        raise InvalidValue("expires_s", f"A link lasts between 1 and {MAX_LASTS_S} seconds")
    signed = [not wished(rendition, core.presets).named for rendition in renditions]
    for image in await libraries.found(core.db, core, caller, [guid], place):
        if image.address is None:
            raise Conflict(_ELSEWHERE)
        until_s = 0 if lasts_s is None else min(int(core.clock()) + lasts_s, LAST_S)
        return [
            _address(core, image, rendition, until_s if sign else None)
            for rendition, sign in zip(renditions, signed, strict=True)
        ]
    raise NotFound("image", guid)


def _address(core: Core, image: LibraryImage, rendition: str, until_s: int | None) -> str:
    address = str(image.address)
    path = rendition_path(address, rendition, short_name(image.name), image.version)
    if until_s is None:
        return path
    return f"{path}?signature={links.sign(core, key_of(address), rendition, until_s)}"


async def guid_of(core: Core, caller: Principal, image_id: int) -> str:
    """The guid of the image with that id. Raises: Forbidden, NotFound."""
    require_right(caller, "image:read")
    guid = await library.find_guid(core.db, caller.account_id, image_id)
    if guid is None:
        raise NotFound("image", image_id)
    return guid
