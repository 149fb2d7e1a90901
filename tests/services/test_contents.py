"""What is sent for a rendition, and what it is called."""

import hashlib

import pytest

import pictures
from build import make_image, make_product
from moments import original_of
from packshot.domain.access import Principal
from packshot.domain.originals import Original
from packshot.services.contents import of_kept
from packshot.services.core import Core

SHIRT = pictures.png(3, 2)


@pytest.fixture
async def original(core: Core, admin: Principal) -> Original:
    image = await make_image(core, admin, await make_product(core, admin), SHIRT)
    return await original_of(core, admin.account_id, image.id)


async def test_a_rendition_is_called_like_its_original_with_an_ending_of_its_own(
    core: Core, original: Original
) -> None:
    kept = await core.renditions.keep(original.key, "1-400x400.webp", "image/webp", b"a rendition")

    content = of_kept(core, original, kept)

    assert (content.name, content.media_type, content.size_bytes) == ("shirt.webp", "image/webp", 11)
    assert content.digest == hashlib.sha256(b"a rendition").hexdigest()
    assert await content.read(0, 11) == b"a rendition"


async def test_what_came_out_like_its_original_is_sent_from_there(core: Core, original: Original) -> None:
    await core.renditions.keep(original.key, "1-strip_all", "image/png", SHIRT)
    kept = core.renditions.find(original.key, "1-strip_all")
    assert kept is not None

    content = of_kept(core, original, kept)

    assert (content.name, content.digest, content.size_bytes) == ("shirt.png", original.digest, len(SHIRT))
    assert await content.read(0, len(SHIRT)) == SHIRT
    assert b"".join([piece async for piece in content.stream(0, len(SHIRT))]) == SHIRT
