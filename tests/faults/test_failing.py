"""Every point of every operation meets every error: it is answered as promised, and nothing is ever half-done."""

import os
import random
import re
import shutil
import sqlite3
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

import prints
import stock
from build import make_image, visiting
from faults import repeating, uploading
from faults.failing import Bench, Doubtful, Figures, Operation
from faults.faulty import FAULTS, FailingFiles
from moments import with_ages
from packshot.domain.errors import PackshotError, Unavailable
from packshot.domain.products import Kind
from packshot.services import access, backup, images, products, restoring, scrub, setup, upkeep
from packshot.services.core import Core
from packshot.storage.blobs import Bytes, Staged
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.blobs.staging import Staging
from packshot.storage.folder import DATABASE
from packshot.storage.reserve import Reserve
from packshot.storage.sqlite import SqliteDatabase
from receiver import PRIVATE
from stock import CALLER, LONE, PICTURES

PRODUCT, SET = "p", "set-3"


async def nothing(_: Core, __: Path) -> None:
    """It begins with an empty shop."""


async def with_image(core: Core, _: Path) -> None:
    await make_image(core, CALLER, LONE, PICTURES[3])


async def with_product(core: Core, _: Path) -> None:
    await stock.add(core, PRODUCT, "first")


async def with_set(core: Core, _: Path) -> None:
    await prints.add(core, SET, PICTURES)
    await prints.sell(core, SET)


async def with_trash(core: Core, place: Path) -> None:
    await with_image(core, place)
    await images.remove_from_product(core, CALLER, LONE, 1)


async def with_rubbish(core: Core, place: Path) -> None:
    """Two images, bytes that nothing points at, doomed ones, a file that nobody knows, and an upload given up."""
    await with_image(core, place)
    for number in (4, 5, 6):
        image = await make_image(core, CALLER, LONE, PICTURES[number])
        if number > 4:
            await images.remove_from_product(core, CALLER, LONE, image.id)
            await upkeep.empty_trash(with_ages(core))
        if number == 5:
            await upkeep.doom(with_ages(core, young_s=-1))
    await core.blobs.put(f"{stock.DIGESTS[8]}.{'5' * 16}", PICTURES[8])
    (place / "data" / "staging" / "left").write_bytes(b"!")


async def with_damage(core: Core, place: Path) -> None:
    """Two images of which one is not what it was; a second copy is."""
    for number in (3, 4):
        await make_image(core, CALLER, LONE, PICTURES[number])
    for (key,) in await core.db.all("SELECT key FROM blob WHERE id = 1"):
        (place / "data" / "blobs" / key[:2] / key).write_bytes(b"!" * len(PICTURES[3]))
        (place / "mirror" / key[:2]).mkdir(parents=True)
        (place / "mirror" / key[:2] / key).write_bytes(PICTURES[3])


async def add(core: Core, _: Path) -> None:
    await make_image(core, CALLER, LONE, PICTURES[7])


async def add_product(core: Core, _: Path) -> None:
    await stock.add(core, PRODUCT, "second")


async def _product(core: Core) -> int:
    row = await core.db.one("SELECT id FROM product WHERE code = ?1", PRODUCT)
    return int(row[0]) if row else 0


async def update_product(core: Core, _: Path) -> None:
    await stock.update(core, await _product(core), "second")


async def delete_product(core: Core, _: Path) -> None:
    await stock.remove(core, await _product(core))


async def add_set(core: Core, _: Path) -> None:
    await prints.add(core, SET, PICTURES)


async def delete_set(core: Core, _: Path) -> None:
    await prints.remove(core, SET)


async def upload(core: Core, _: Path) -> None:
    await uploading.upload(core)


async def call_with_key(core: Core, _: Path) -> None:
    await repeating.add(core)


async def delete(core: Core, _: Path) -> None:
    await images.remove_from_product(core, CALLER, LONE, 1)


async def restore(core: Core, _: Path) -> None:
    await restoring.restore(core, CALLER, 1)


async def purge(core: Core, _: Path) -> None:
    await restoring.purge(core, CALLER, 1)


async def keep_house(core: Core, _: Path) -> None:
    await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0))


async def look_for_rot(core: Core, _: Path) -> None:
    await scrub.run_once(core, lambda _: None)


async def back_up(core: Core, place: Path) -> None:
    await backup.back_up(core, place / "data", place / "target", 1, lambda *_: None)


async def restorable(place: Path) -> list[str]:
    """What is wrong with the store that the backup becomes."""
    await backup.restore(place / "target", place / "restored", None, 0, lambda *_: None)
    wrong = stock.faults_of(place / "restored")
    shutil.rmtree(place / "restored")
    return [f"restored: {what}" for what in wrong]


async def with_webhook(core: Core, place: Path) -> None:
    (place / "code").write_text(await access.create_webhook(core, setup.ACCOUNT, 1, setup.SCOPES))


async def call_batch(core: Core, place: Path) -> None:
    """Two products and an image in one call, but for those that are there. Raises: Unavailable, if one is refused."""
    wanted = {name: command for name, command in BATCH.items() if name not in _made(place)}
    path = f"/rest/1/{(place / 'code').read_text()}/batch"
    async with visiting(core, PRIVATE) as client:
        answer = (await client.post(path, json={"cmd": wanted, "halt": 0})).json()
    told = set(answer.get("result", {}).get("result", ()))
    done = wanted.keys() & _made(place)
    if told - done:
        raise AssertionError(f"the batch told more than it did: {answer}")
    if told != wanted.keys():
        raise Unavailable("batch") if told == done else Doubtful("batch")


PICTURE = quote(b64encode(PICTURES[9]).decode())
BATCH = {
    "one": "catalog.product.add?fields[iblockId]=1&fields[name]=one",
    "a.png": f"catalog.productImage.add?fields[productId]=1&fields[type]=MORE_PHOTO"
    f"&fileContent[0]=a.png&fileContent[1]={PICTURE}",
    "two": "catalog.product.add?fields[iblockId]=1&fields[name]=two",
}


def _made(place: Path) -> set[str]:
    with closing(sqlite3.connect(place / "data" / DATABASE)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM product UNION SELECT name FROM image")}


OPERATIONS = (
    Operation("add an image", nothing, add),
    Operation("add a product with pictures", nothing, add_product),
    Operation("change a product with pictures", with_product, update_product),
    Operation("delete a product with pictures", with_product, delete_product, goes_on=True),
    Operation("add images to the library", nothing, add_set),
    Operation("upload in pieces", nothing, upload),
    Operation("delete an image", with_image, delete, goes_on=True),
    Operation("delete_images", with_set, delete_set, goes_on=True),
    Operation("call with a key", nothing, call_with_key),
    Operation("restore from the trash", with_trash, restore),
    Operation("purge from the trash", with_trash, purge, goes_on=True),
    Operation("keep house", with_rubbish, keep_house, loose=True, goes_on=True),
    Operation("look for rot", with_damage, look_for_rot, loose=True),
    Operation("back up", with_image, back_up, elsewhere=True, more=restorable),
    Operation("add the same image", with_image, with_image),
    Operation("batch", with_webhook, call_batch, loose=True),
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is flushed does not matter here, and takes most of the time."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


async def run(place: Path, operations: Iterable[Operation], share: float) -> Figures:
    """Have every point of these operations meet every fault that fits, or that share of points one by chance."""
    chance, begun, figures = random.Random(1), time.monotonic(), Figures()
    for number, operation in enumerate(operations):
        bench = Bench(place / str(number), operation)
        for at, point in enumerate(await bench.prepare()):
            figures.points += 1
            fitting = [fault for fault in FAULTS if fault.fits(point)]
            for fault in fitting if share == 1 else chance.sample(fitting, int(chance.random() < share)):
                figures.note(
                    f"{operation.title}, {point[0]} {point[1]} {at}", fault, await bench.attempt(at, point, fault)
                )
    figures.seconds = time.monotonic() - begun
    return figures


def show(figures: Figures, shown: pytest.CaptureFixture[str]) -> None:
    with shown.disabled():
        sys.stdout.write(f"\nfault points x errors: {figures}\n")


async def test_a_point_in_three_that_meets_an_error_breaks_no_promise(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await run(place, OPERATIONS, 1 / 3)

    show(figures, capsys)
    assert figures.wrong == []
    assert figures.points > 600
    assert figures.stopped > 10


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_no_point_that_meets_any_error_breaks_a_promise(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = await run(place, OPERATIONS, 1)

    show(figures, capsys)
    assert figures.wrong == []
    assert figures.tries > 3_000


# Stores that break a promise, which must be seen


def with_deaf_ears(patched: pytest.MonkeyPatch) -> None:
    """What a disk says about bytes is not listened to."""

    def put(self: DiskBlobs, key: str, data: Bytes | Staged) -> None:
        with suppress(PackshotError):
            really(self, key, data)

    really = DiskBlobs._put  # noqa: SLF001 - it is broken on purpose
    patched.setattr(DiskBlobs, "_put", put)


def with_a_brave_face(patched: pytest.MonkeyPatch) -> None:
    """A broken disk is taken for a busy one."""
    patched.setattr(Staging, "_translated", lambda *_: Unavailable("blob store"))


def with_fear_of_everything(patched: pytest.MonkeyPatch) -> None:
    """Every error ends the process."""

    def translated(self: SqliteDatabase, error: sqlite3.Error) -> PackshotError:
        self._failed(error)
        return Unavailable("database")

    patched.setattr(SqliteDatabase, "_translated", translated)


def with_errors_as_they_come(patched: pytest.MonkeyPatch) -> None:
    """What SQLite says is passed on."""
    patched.setattr(SqliteDatabase, "_translated", lambda _, error: error)


def with_nothing_set_aside(patched: pytest.MonkeyPatch) -> None:
    """There is no room for deletions."""
    patched.setattr(Reserve, "release", lambda _: False)


def with_two_works(patched: pytest.MonkeyPatch) -> None:
    """A product is there before its pictures are."""

    async def add_in_two(core: Core, name: str, version: str) -> int:
        product = await products.add(core, CALLER, Kind.SIMPLE, {"catalog_id": 1, "name": version, "code": name})
        product_id = int(product.fields["id"] or 0)
        await stock.update(core, product_id, version)
        return product_id

    patched.setattr(stock, "add", add_in_two)


def with_a_full_bin(patched: pytest.MonkeyPatch) -> None:
    """What was begun and not ended is never tidied up."""

    async def swept(*_: object) -> int:
        return 0

    patched.setattr(Staging, "sweep", swept)
    patched.setattr(Staging, "_discard", lambda *_: None)
    patched.setattr(FailingFiles, "unlink", lambda *_: None)


@pytest.mark.parametrize(
    ("break_it", "title", "shows"),
    [
        (with_deaf_ears, "add an image", "it was answered without having been done|has no file"),
        (with_a_brave_face, "add an image", "the process was not stopped"),
        (with_fear_of_everything, "delete an image", "the process was stopped"),
        (with_errors_as_they_come, "delete an image", "the answer was OperationalError"),
        (with_nothing_set_aside, "delete an image", "it was refused, for which room is kept"),
        (with_two_works, "add a product with pictures", "it was refused, and something was done"),
        (with_a_full_bin, "upload in pieces", "left: "),
    ],
)
async def test_a_store_that_breaks_a_promise_is_caught(
    place: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None], title: str, shows: str
) -> None:
    operations = [operation for operation in OPERATIONS if operation.title == title]
    break_it(monkeypatch)

    figures = await run(place, operations, 2 / 3)

    assert any(re.search(shows, what) for what in figures.wrong), figures.wrong[:5]
