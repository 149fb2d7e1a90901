"""What is wrong with a store is named, kind by kind; a healthy one has nothing wrong, whatever lies in its trash."""

import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

import pictures
from build import carelessly, make_image, make_inventory_product, make_library_image, make_product
from moments import original_of, path_of
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.domain.products import Kind
from packshot.services import accounts, images, libraries, products, setup
from packshot.services.core import Core
from packshot.services.verify import Finding, verify
from packshot.storage.folder import DATABASE

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)


async def found(core: Core, *, full: bool = False) -> list[Finding]:
    return [finding async for finding in verify(core, lambda _: None, full=full)]


async def wrong(core: Core, *, full: bool = False) -> list[str]:
    return [finding.what for finding in await found(core, full=full) if not finding.ok]


@pytest.fixture
async def image(core: Core, admin: Principal, shirt: int) -> ProductImage:
    return await make_image(core, admin, shirt, SHIRT)


@pytest.fixture
async def path(core: Core, admin: Principal, image: ProductImage) -> Path:
    """Where the bytes of the image lie."""
    return path_of(core, (await original_of(core, admin.account_id, image.id)).key)


Careless = Callable[..., Awaitable[None]]


@pytest.fixture
def careless(core: Core, image: ProductImage, tmp_path: Path) -> Careless:
    """What changes the rows of a store with that image in it, and cares for no rule."""
    assert image.id == 1
    return partial(carelessly, core, tmp_path / "data")


@pytest.mark.parametrize("full", [False, True])
async def test_a_healthy_store_with_all_kinds_of_things_in_its_trash_has_nothing_wrong(
    core: Core, admin: Principal, shirt: int, *, full: bool
) -> None:
    await accounts.set_quota(core, setup.ACCOUNT, 100_000)
    await make_image(core, admin, shirt, MUG)
    gone = await make_image(core, admin, shirt, SHIRT)
    await images.remove_from_product(core, admin, shirt, gone.id)
    sold = await make_library_image(core, admin, SHIRT)
    await make_inventory_product(core, admin, sold.guid)
    await libraries.remove_images(core, admin, [sold.guid], None)
    other = await make_product(core, admin)
    await make_image(core, admin, other, pictures.png(7, 7), "detail")
    await products.remove(core, admin, other, (Kind.SIMPLE,))

    findings = await found(core, full=full)

    assert findings == [
        Finding(ok=True, what="database: consistent"),
        Finding(
            ok=True, what=f"blobs: 3 rows, every live one has {'the bytes that were stored' if full else 'its bytes'}"
        ),
    ]


async def test_a_live_row_without_its_file_is_named(core: Core, image: ProductImage, path: Path) -> None:
    path_of(core, path.name).unlink()

    (what,) = await wrong(core)

    shown = f"image {image.id}, shirt.png, of product {image.product_id}"
    assert what == f"blob {path.name} is missing ({shown}): upload the picture again, or restore it"


async def test_a_file_of_another_size_is_named(core: Core, path: Path) -> None:
    path_of(core, path.name).write_bytes(SHIRT[:-1])

    (what,) = await wrong(core)

    assert f"blob {path.name} has {len(SHIRT) - 1} bytes instead of {len(SHIRT)} (" in what


async def test_a_wrong_digest_is_named_where_every_byte_is_read(core: Core, path: Path) -> None:
    path_of(core, path.name).write_bytes(bytes(len(SHIRT)))

    (what,) = await wrong(core, full=True)

    assert f"blob {path.name} is damaged (" in what
    assert await wrong(core) == []


async def test_what_the_trash_holds_is_verified_too(
    core: Core, admin: Principal, image: ProductImage, path: Path
) -> None:
    await images.remove_from_product(core, admin, image.product_id, image.id)
    path_of(core, path.name).unlink()

    (what,) = await wrong(core)

    assert f"blob {path.name} is missing (image {image.id}, shirt.png, in the trash by deletion 1)" in what


@pytest.mark.parametrize("state", ["doomed", "corrupt"])
async def test_an_image_whose_blob_is_out_of_use_is_named(
    core: Core, careless: Careless, path: Path, state: str
) -> None:
    await careless("UPDATE blob SET state = ?1", state)

    (what,) = await wrong(core)

    assert f"blob {path.name} is {state} (image 1, " in what


async def test_an_image_without_a_blob_is_named(core: Core, careless: Careless) -> None:
    await careless("UPDATE image SET blob_id = 4711")

    (what,) = await wrong(core)

    assert " of image points at no row of blob" in what


async def test_a_row_of_the_trash_without_a_blob_is_named(
    core: Core, admin: Principal, image: ProductImage, careless: Careless
) -> None:
    await images.remove_from_product(core, admin, image.product_id, image.id)
    await careless("UPDATE trash SET blob_id = 4711")

    (what,) = await wrong(core)

    assert " of trash points at no row of blob" in what


@pytest.mark.on_files("it drops an index, and elsewhere the next test gets the same tables")
async def test_two_live_generations_of_the_same_bytes_are_named(core: Core, careless: Careless, path: Path) -> None:
    digest = path.name.partition(".")[0]
    other = f"{digest}.{'0' * 16}"
    await careless("DROP INDEX blob_live")
    await careless(
        "INSERT INTO blob (account_id, digest, key, size_bytes, media_type, width_px, height_px, frames, state,"
        " created_at) SELECT account_id, digest, ?1, size_bytes, media_type, width_px, height_px, frames, state,"
        " created_at FROM blob",
        other,
    )
    await core.blobs.put(other, SHIRT)

    assert await wrong(core) == [f"database: account 1 has more than one live blob with the digest {digest}"]


async def test_one_that_was_interrupted_goes_on_behind_what_it_has_seen(
    core: Core, admin: Principal, shirt: int, path: Path, careless: Careless
) -> None:
    await core.blobs.delete(path.name)
    await make_image(core, admin, shirt, MUG)
    await careless("INSERT INTO product_section (product_id, section_id) VALUES (1, 4711)")
    heard: list[int] = []

    rest = [finding async for finding in verify(core, heard.append, full=False, after_id=1)]

    assert len(await wrong(core)) == 2
    assert rest == [Finding(ok=True, what="blobs: 1 rows, every live one has its bytes")]
    assert heard == [2]


async def test_a_quota_that_counts_other_bytes_than_there_are_is_named(core: Core, careless: Careless) -> None:
    await accounts.set_quota(core, setup.ACCOUNT, 100_000)
    await careless("UPDATE account SET live_bytes = live_bytes + 1")

    (what,) = await wrong(core)

    counted = f"has {len(SHIRT)} bytes, and {len(SHIRT) + 1} of them count for its quota"
    assert what == f"database: account main {counted}: set the quota again"


async def test_a_row_that_points_at_nothing_is_named(core: Core, careless: Careless) -> None:
    await careless("INSERT INTO product_section (product_id, section_id) VALUES (1, 4711)")

    (what,) = await wrong(core)

    assert " of product_section points at no row of section" in what


@pytest.mark.on_files("PostgreSQL checks its own files")
async def test_a_count_that_only_the_full_check_makes_is_named(core: Core, image: ProductImage, tmp_path: Path) -> None:
    """An index that misses a row passes the quick check."""
    assert image.id == 1
    connection = sqlite3.connect(tmp_path / "data" / DATABASE, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("CREATE INDEX lacking ON image (name) WHERE id > 1000")
    connection.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX lacking ON image (name)' WHERE name = 'lacking'")
    connection.close()

    assert await wrong(core) == []
    assert any("lacking" in what for what in await wrong(core, full=True))
