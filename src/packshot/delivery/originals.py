"""Originals as bytes: exactly as they were uploaded behind a download link, as everybody may see them elsewhere."""

from packshot.delivery import door
from packshot.delivery.sending import PRIVATE, Scope, Send, public, send_bytes
from packshot.domain.errors import NotFound
from packshot.domain.images import PUBLIC_PREFIX
from packshot.domain.originals import Original
from packshot.services import contents, renditions
from packshot.services.core import Core


async def send_attachment(core: Core, scope: Scope, send: Send, original: Original) -> None:
    """Answer a download link: as an attachment, for nobody's cache. Raises: Unavailable."""
    await send_bytes(scope, send, contents.of_original(core, original), "attachment", PRIVATE)


@door.guarded("detailUrl")
async def show(core: Core, scope: Scope, send: Send) -> None:
    """Answer `/upload/iblock/<address>/<file name>`: inline and cacheable, for everybody who knows the address."""
    partition, image_key = door.named(scope, PUBLIC_PREFIX)
    picture = await renditions.picture_at(core, image_key)
    if not picture.address.startswith(f"{partition}/"):
        raise NotFound("image", f"{partition}/{image_key}")
    content = await renditions.open_public(core, picture)
    await send_bytes(scope, send, content, "inline", public(core.delivery))
