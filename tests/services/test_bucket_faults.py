"""Pictures on their way into and out of a bucket whose requests go wrong: what is acknowledged is there and right."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

import bucket
from build import Shop, believing, fail_loudly, make_image, make_product, open_shop
from faultproxy import APPLIED_503, APPLIED_SILENT, FAULTS, LATE, SILENT, SLOW_DOWN, Fault, HttpProxy, only
from packshot.config import Settings
from packshot.domain.errors import Unavailable
from packshot.services import contents, copies, images, upkeep
from packshot.storage import blob_rows
from packshot.storage import images as image_rows
from packshot.storage.blobs import BlobSettings, new_key, s3
from packshot.storage.blobs.disk import DiskBlobs
from pictures import jpeg_of_size

PICTURE = jpeg_of_size(40_000)


@pytest.fixture(scope="module")
def proxy() -> Iterator[HttpProxy]:
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
async def shop(tmp_path: Path, proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(s3, "PATIENCE_S", 0.3)
    monkeypatch.setattr(s3, "TIMEOUT", timedelta(seconds=0.4))
    settings = msgspec.structs.replace(believing(Settings()), blobs=BlobSettings(bucket.new()))
    async with open_shop(tmp_path / "data", settings) as shop:
        yield shop
    proxy.have()


async def rows(shop: Shop) -> set[str]:
    return {blob.key for blob in await blob_rows.walk(shop.core.db, 0, 1_000)}


def keys_put(proxy: HttpProxy) -> list[str]:
    return [one.path.rpartition("/")[2] for one in proxy.seen if one.method == "PUT" and "/blobs/" in one.path]


@pytest.mark.parametrize("fault", [replace(fault, late_s=0.3) for fault in FAULTS.values()], ids=FAULTS)
async def test_an_image_that_was_acknowledged_is_right_and_everything_else_is_for_the_sweep(
    shop: Shop, proxy: HttpProxy, fault: Fault
) -> None:
    product_id = await make_product(shop.core, shop.admin)

    with proxy.having(only(fault, "PUT", 1)):
        try:
            image = await make_image(shop.core, shop.admin, product_id, PICTURE)
        except Unavailable:
            assert await rows(shop) == set()
            image = await make_image(shop.core, shop.admin, product_id, PICTURE)
    proxy.settle()

    original = await image_rows.find_original(shop.core.db, shop.admin.account_id, image.id)
    assert original
    assert await contents.of_original(shop.core, original).read(0, len(PICTURE)) == PICTURE
    named, there = await rows(shop), set(await shop.core.blobs.of_keys(0))
    assert named == {original.key}
    assert named <= there
    assert {key async for key in upkeep.strangers(shop.core, 0)} == there - named


@pytest.mark.parametrize("fault", [SILENT, APPLIED_SILENT], ids=["lost", "applied"])
async def test_after_an_answer_that_does_not_come_another_generation_is_written(
    shop: Shop, proxy: HttpProxy, fault: Fault
) -> None:
    proxy.seen.clear()

    with proxy.having(only(fault, "PUT", 1)):
        await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), PICTURE)

    first, second = keys_put(proxy)
    assert first != second
    assert await rows(shop) == {second}


async def test_a_key_whose_answer_was_lost_is_never_used_again(shop: Shop, proxy: HttpProxy) -> None:
    product_id = await make_product(shop.core, shop.admin)
    proxy.seen.clear()

    with proxy.having(only(APPLIED_503, "PUT"), only(SLOW_DOWN, "HEAD")):
        for _ in range(3):
            with pytest.raises(Unavailable):
                await make_image(shop.core, shop.admin, product_id, PICTURE)
    unclear = set(keys_put(proxy))
    await make_image(shop.core, shop.admin, product_id, PICTURE)

    assert len(unclear) == 6
    assert not unclear & await rows(shop)
    assert set(await shop.core.blobs.of_keys(0)) == unclear | await rows(shop)


async def test_a_deletion_that_comes_late_leaves_the_same_picture_uploaded_since(shop: Shop, proxy: HttpProxy) -> None:
    core = shop.core
    product_id = await make_product(core, shop.admin)
    image = await make_image(core, shop.admin, product_id, PICTURE)
    await images.remove_from_product(core, shop.admin, product_id, image.id)
    shop.clock.advance(core.trash.keep_s + core.upkeep.young_s)
    await upkeep.run_once(core)
    shop.clock.advance(core.upkeep.retention_s + 1)

    with proxy.having(only(replace(LATE, late_s=0.5), "DELETE")):
        reaped = await reap_or_fail(shop)
    again = await make_image(core, shop.admin, product_id, PICTURE)
    proxy.settle()
    reaped += await upkeep.reap(core)

    original = await image_rows.find_original(core.db, shop.admin.account_id, again.id)
    assert original
    assert await contents.of_original(core, original).read(0, len(PICTURE)) == PICTURE
    assert reaped == 1
    assert await core.blobs.of_keys(0) == [original.key]


@pytest.mark.parametrize("size_bytes", [40_000, copies.SMALL_BYTES + 1])
async def test_an_original_that_a_bucket_does_not_give_at_the_moment_is_not_copied_as_a_lost_one(
    shop: Shop, proxy: HttpProxy, tmp_path: Path, size_bytes: int
) -> None:
    data = bytes(size_bytes)
    key = new_key(hashlib.sha256(data).hexdigest())
    await shop.core.blobs.put(key, data)
    target = DiskBlobs(tmp_path / "copy", shop.core.threads, fail_loudly)
    target.prepare()

    with proxy.having(only(SLOW_DOWN, "GET")), pytest.raises(Unavailable):
        await copies.copy_blob(shop.core.blobs, target, key, size_bytes)
    copied = await copies.copy_blob(shop.core.blobs, target, key, size_bytes)

    assert copied
    assert await target.find_size(key) == size_bytes


async def reap_or_fail(shop: Shop) -> int:
    try:
        return await upkeep.reap(shop.core)
    except Unavailable:
        return 0


async def test_a_bucket_that_does_not_answer_is_not_taken_for_one_that_lost_a_picture(
    shop: Shop, proxy: HttpProxy
) -> None:
    product_id = await make_product(shop.core, shop.admin)
    await make_image(shop.core, shop.admin, product_id, PICTURE)

    with proxy.having(only(SLOW_DOWN, "GET")), pytest.raises(Unavailable):
        await make_image(shop.core, shop.admin, product_id, PICTURE)
    await make_image(shop.core, shop.admin, product_id, PICTURE)

    assert [blob.state for blob in await blob_rows.walk(shop.core.db, 0, 10)] == ["live"]
