"""Whose original is missing or damaged, and whose is whole again, is written down and told, once, with the change."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog

import pictures
from build import make_account, make_image, make_library_image, make_product
from logged import Done, lines
from moments import blob_states, copy_all, original_of, path_of, settled
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.catalogs import Property
from packshot.domain.images import ProductImage
from packshot.domain.products import Kind
from packshot.services import calls, handlers, images, products, scrub, setup
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValues, Parts
from packshot.services.scrub import Pace
from packshot.storage import blob_rows, catalogs
from packshot.storage.blobs import BlobSettings
from packshot.storage.database import Tx
from receiver import noted

SHIRT = pictures.png()
CORRUPT = "PACKSHOT.IMAGE.ON.CORRUPT"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(settings, blobs=BlobSettings(mirror=str(tmp_path / "mirror")))


@pytest.fixture
async def image(core: Core, admin: Principal, shirt: int) -> ProductImage:
    """One of three images with the same bytes: this one, one of the library, and one in the trash."""
    shown = await make_image(core, admin, shirt, SHIRT)
    await make_library_image(core, admin, SHIRT)
    gone = await make_image(core, admin, shirt, SHIRT)
    await images.remove_from_product(core, admin, shirt, gone.id)
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", [CORRUPT])
    return shown


@pytest.fixture
async def path(core: Core, admin: Principal, image: ProductImage) -> Path:
    """Where the bytes of all three lie."""
    return path_of(core, (await original_of(core, admin.account_id, image.id)).key)


async def found(core: Core, admin: Principal) -> Done:
    """What the log says of originals."""
    entries = await lines(core, admin)
    assert {entry.who for entry in entries if entry.action in {"corrupt", "repaired"}} <= {"the server"}
    return [(entry.image_id, entry.action) for entry in entries if entry.action in {"corrupt", "repaired"}]


def lose(path: Path) -> None:
    path.unlink()


def bring_back(path: Path) -> None:
    path.write_bytes(SHIRT)


def damage(path: Path) -> None:
    path.write_bytes(bytes(len(SHIRT)))


async def scrubbed(core: Core) -> None:
    await scrub.run_once(core, lambda _: None)


def all_three(action: str) -> Done:
    return [(image_id, action) for image_id in (1, 2, 3)]


async def test_an_original_that_was_lost_is_written_down_and_told_for_each_of_its_images(
    core: Core, admin: Principal, image: ProductImage, path: Path
) -> None:
    lose(path)

    with structlog.testing.capture_logs() as logged:
        await scrubbed(core)

    assert await found(core, admin) == all_three("corrupt")
    (first, second) = await noted(core)
    place = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": image.product_id, "ROLE": "more"}
    assert first == (CORRUPT, place)
    assert (second[1]["ID"], second[1]["PRODUCT_ID"]) == (2, None)
    assert logged[0]["key"] == path.name
    assert [f"image {number}," in logged[0]["shown_by"] for number in (1, 2, 3)] == [True] * 3


async def test_it_is_told_once_however_often_it_is_looked_at(core: Core, admin: Principal, path: Path) -> None:
    lose(path)
    blob = await blob_rows.find(core.db, path.name)
    assert blob

    await asyncio.gather(*(scrub.check(core, blob, Pace(0)) for _ in range(3)))
    await scrubbed(core)
    await scrub.repair(core, Pace(0))

    assert await found(core, admin) == all_three("corrupt")
    assert len(await noted(core)) == 2


async def test_a_read_that_finds_it_says_in_which_request(
    core: Core, admin: Principal, client: httpx.AsyncClient, image: ProductImage, path: Path
) -> None:
    damage(path)

    for _ in range(2):
        assert (await client.get(f"/upload/iblock/{image.address}/shirt.png")).status_code == 503
    await settled(core)

    assert await found(core, admin) == all_three("corrupt")
    assert len(await noted(core)) == 2


async def test_bytes_that_come_back_are_written_down(core: Core, admin: Principal, path: Path) -> None:
    lose(path)
    await scrubbed(core)
    bring_back(path)

    await scrubbed(core)

    assert await found(core, admin) == all_three("corrupt") + all_three("repaired")


async def test_bytes_from_the_second_copy_are_written_down(
    core: Core, admin: Principal, path: Path, tmp_path: Path
) -> None:
    copy_all(core, tmp_path / "mirror")
    lose(path)

    await scrubbed(core)

    assert await found(core, admin) == all_three("corrupt") + all_three("repaired")
    assert len(await noted(core)) == 2


async def test_bytes_that_are_uploaded_again_are_written_down_with_the_loss(
    core: Core, admin: Principal, shirt: int, path: Path
) -> None:
    lose(path)
    calls.REQUEST_ID.set("request 7")

    with structlog.testing.capture_logs() as logged:
        again = await make_image(core, admin, shirt, SHIRT)

    assert await found(core, admin) == all_three("corrupt") + all_three("repaired")
    assert [(line["log_level"], line["key"]) for line in logged] == [("error", path.name)]
    entries = await lines(core, admin)
    assert {entry.request_id for entry in entries[-7:]} == {"request 7"}
    assert (entries[-1].image_id, entries[-1].action) == (again.id, "added")


async def test_a_loss_that_was_known_is_repaired_by_an_upload_without_another_word(
    core: Core, admin: Principal, shirt: int, path: Path
) -> None:
    lose(path)
    await scrubbed(core)

    await make_image(core, admin, shirt, SHIRT)

    assert await found(core, admin) == all_three("corrupt") + all_three("repaired")
    assert len(await noted(core)) == 2


async def test_of_the_file_of_a_property_it_is_written_down_and_not_told(
    core: Core, admin: Principal, shirt: int, path: Path
) -> None:
    async def declare(tx: Tx) -> int:
        files = Property("FILES", "Files", "F", multiple=False)
        return await catalogs.add_property(tx, admin.account_id, 1, files, core.now())

    file = File(Upload("shirt.png", len(SHIRT), lambda: SHIRT))
    parts = Parts(properties={await core.db.write(declare): NewValues([file], multiple=False)})
    await products.update(core, admin, shirt, (Kind.SIMPLE,), {}, parts)
    lose(path)

    await scrubbed(core)

    assert await found(core, admin) == [(image_id, "corrupt") for image_id in (1, 2, 4, 3)]
    assert [fields["ID"] for _, fields in await noted(core)] == [1, 2]


async def test_it_stops_at_the_account(core: Core, path: Path) -> None:
    other, catalog_id = await make_account(core, "other")
    await make_image(core, other, await make_product(core, other, catalog_id=catalog_id), SHIRT)
    lose(path)

    await scrubbed(core)

    assert await found(core, other) == []
    assert sorted(await blob_states(core)) == ["corrupt", "live"]
