"""Ingest: the files of images that are added by address are fetched, and hosted here from then on."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog
from msgspec import structs

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import InvalidValue, UnacceptableImage, Unavailable
from packshot.domain.libraries import LibraryImage, NewLibraryImage
from packshot.services import images, libraries, originals
from packshot.services.core import Core
from packshot.services.originals import Examined
from packshot.storage.blobs import Staged
from packshot.storage.database import Tx

FAILED = "The file at this address could not be fetched"

_log = structlog.get_logger("packshot.ingest")


async def add_images(core: Core, caller: Principal, news: Sequence[NewLibraryImage]) -> list[LibraryImage]:
    """Add images whose files lie with somebody else, and host these, all or none; they come back in the same order.

    The files are fetched one after another, and each waits on the disk for the others: in memory there is never more
    than is being fetched. Nothing that was said of them counts.

    Raises:
        Forbidden: the caller may only look.
        InvalidValue: an address is refused, a file cannot be fetched or is no picture that is kept, or a guid is taken.
        LimitReached: the files of others take too long.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    hosted = [structs.replace(new, files=None, address=images.new_address()) for new in news]

    async def work(tx: Tx, blob_ids: list[int]) -> list[LibraryImage]:
        return await libraries.put(tx, caller, list(zip(hosted, blob_ids, strict=True)))

    async with AsyncExitStack() as behind:
        examined = []
        for index, new in enumerate(news):
            staged = core.blobs.stage()
            behind.push_async_callback(core.blobs.discard, staged)
            uri = new.files.hires_uri if new.files else ""
            examined.append(await _bring(core, f"images[{index}].private_hires_uri", uri, staged))
        return await originals.store(core, caller.account_id, examined, work)


async def _bring(core: Core, field: str, uri: str, staged: Staged) -> Examined:
    try:
        await core.blobs.append(staged, await _fetch(core, field, uri))
        return await originals.examine_staged(core, staged, core.limits)
    except UnacceptableImage as error:
        raise InvalidValue(field, str(error)) from error


async def _fetch(core: Core, field: str, uri: str) -> bytearray:
    try:
        return await core.outbound.fetch(uri, core.limits.upload_bytes)
    except InvalidValue as error:
        raise InvalidValue(field, error.why) from None
    except Unavailable as error:
        _log.info("a file could not be fetched", cause=repr(error.__cause__))  # the address may hold a secret
        raise InvalidValue(field, FAILED) from error
