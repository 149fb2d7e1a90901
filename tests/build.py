"""Small builders for tests: products, images, time."""

import hashlib
import os
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from string import Template
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import msgspec

import bucket
import pictures
import postgres
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.catalogs import MORE_PHOTO, Property
from packshot.domain.images import ImageRole, NewImage, ProductImage
from packshot.domain.inventory import InventoryProduct, NewInventoryProduct
from packshot.domain.libraries import Files, LibraryImage, NewLibraryImage, Place
from packshot.domain.products import Kind
from packshot.services import images, inventory, libraries, originals, products, setup
from packshot.services.core import Core, IntakeSettings, OriginalSettings
from packshot.services.originals import Upload
from packshot.services.setup import Seed
from packshot.storage import accounts, blob_rows, catalogs, migrations
from packshot.storage import images as image_rows
from packshot.storage.database import Tx
from packshot.storage.folder import DATABASE, KEY_FILE, prepare
from packshot.storage.homes import Home

Call = Callable[..., Awaitable[Any]]
"""The fixture `call`: a method, its parameters and the status to expect; the decoded answer comes back."""

INVENTORY = Place()

TIME = {
    "start": float,
    "finish": float,
    "duration": float,
    "processing": float,
    "date_start": str,
    "date_finish": str,
    "operating_reset_at": int,
    "operating": int,
}
"""The eight fields of `time` in a Bitrix24 answer, and what each is."""


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def fail_loudly(error: BaseException) -> None:
    """What a core is told to do when the disk fails, in tests that expect no such thing."""
    raise AssertionError("the disk failed") from error


def believing(settings: Settings) -> Settings:
    """*settings* with which pictures are taken and shown as they are: most tests are spared the image workers."""
    return msgspec.structs.replace(settings, intake=IntakeSettings("header"), originals=OriginalSettings("keep"))


def is_shared() -> bool:
    """Whether this run of the tests keeps its stores in PostgreSQL and a bucket: `pytest --store=postgresql`."""
    return os.environ.get("PACKSHOT_TESTS_STORE") == "postgresql"


@contextmanager
def placed(settings: Settings) -> Iterator[Settings]:
    """*settings* with an empty place for rows and one for originals where this run of the tests keeps them."""
    if not is_shared():
        yield settings
        return
    with postgres.lent() as url:
        database = msgspec.structs.replace(settings.database, url=url)
        blobs = msgspec.structs.replace(settings.blobs, url=settings.blobs.url or bucket.new())
        yield msgspec.structs.replace(settings, database=database, blobs=blobs)


@contextmanager
def lent_store(shelf: Path, folder: Path) -> Iterator[None]:
    """An empty store in *folder* for the block, with parts from the *shelf* that come back there, emptied.

    The tables are copied, since one set of them is as good as another; the 256 folders for pictures are moved, since
    making and removing them takes longer than most tests.
    """
    folder.mkdir()
    if not (shelf / DATABASE).exists():
        prepare(shelf)
        migrations.prepare(shelf / DATABASE)
    if is_shared():
        shutil.copyfile(shelf / KEY_FILE, folder / KEY_FILE)
        yield
        return
    for name in (KEY_FILE, DATABASE):
        shutil.copyfile(shelf / name, folder / name)
    used = folder / "blobs"
    if (shelf / "blobs").exists():
        (shelf / "blobs").rename(used)
    yield
    try:
        for path in (path for part in used.iterdir() for path in part.iterdir()):
            path.unlink()
        used.rename(shelf / "blobs")
    except OSError:
        shutil.rmtree(used, ignore_errors=True)  # the test made something else of it; the next one begins anew


@asynccontextmanager
async def visiting(core: Core, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks HTTP to the whole application, without a socket in between."""
    asgi: Any = app.build(core, settings, lambda: True)[0]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop.test") as client:
        yield client


class Shop(NamedTuple):
    """A store with the account main in it, and a client at its door."""

    core: Core
    client: httpx.AsyncClient
    clock: Clock
    seed: Seed
    admin: Principal


@asynccontextmanager
async def open_shop(folder: Path, settings: Settings) -> AsyncIterator[Shop]:
    """A new store in *folder*, for tests that share one: the fixtures make one for each test."""
    clock = Clock()
    with placed(believing(settings)) as here:
        async with app.open_core(folder, here, fail_loudly, clock) as core:
            seed = await setup.create_account(core)
            assert seed is not None
            admin = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
            async with visiting(core, settings) as client:
                yield Shop(core, client, clock, seed, admin)


def home_of(core: Core, folder: Path) -> Home:
    """Where the store in *folder* is at home, as whoever copies it has to know."""
    if core.db.dialect == "sqlite":
        return Home(folder)
    return Home(folder, vars(core.db)["_pool"]._connect_args[0])  # noqa: SLF001 - nothing else knows its address


async def tables_of(core: Core) -> list[str]:
    """The tables of the store, but for those that SQLite keeps for itself."""
    sql = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    }
    return [row[0] for row in await core.db.all(sql[core.db.dialect])]


async def columns_of(core: Core, table: str) -> list[str]:
    """The columns of a table."""
    sql = {
        "sqlite": "SELECT name FROM pragma_table_info(?1)",
        "postgresql": "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = ?1",
    }
    return [row[0] for row in await core.db.all(sql[core.db.dialect], table)]


async def carelessly(core: Core, folder: Path, sql: str, *values: Any) -> None:
    """Change the rows of the store in *folder* with no respect for rules: what points at them, and what counts them."""
    if core.db.dialect == "sqlite":
        with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
            connection.execute(sql, values)
        return

    async def work(tx: Tx) -> None:
        await tx.run("SET LOCAL session_replication_role = replica")
        await tx.run(sql, *values)

    await core.db.write(work)


async def make_product(core: Core, caller: Principal, name: str = "Shirt", catalog_id: int = 1) -> int:
    """The id of a new simple product."""
    product = await products.add(core, caller, Kind.SIMPLE, {"catalog_id": catalog_id, "name": name})
    return int(product.fields["id"] or 0)


async def make_image(
    core: Core, caller: Principal, product_id: int, data: bytes, role: ImageRole = "more", name: str = "shirt.png"
) -> ProductImage:
    """A new image with these bytes on the product."""
    return await images.add_to_product(core, caller, product_id, role, Upload(name, len(data), lambda: data))


async def make_account(core: Core, name: str) -> tuple[Principal, int]:
    """The administrator of another account, and the id of its one catalog."""

    async def work(tx: Tx) -> tuple[Principal, int]:
        account_id = await accounts.add_account(tx, name, core.now(), name.encode().hex().ljust(32, "0"))
        user_id = await accounts.add_user(tx, account_id, "administrator", core.now())
        catalog_id = await catalogs.add_catalog(tx, account_id, name)
        await catalogs.add_property(
            tx, account_id, catalog_id, Property(MORE_PHOTO, "Pictures", "F", multiple=True), core.now()
        )
        return Principal(account_id, user_id, "administrator", frozenset({"catalog"}), 0), catalog_id

    return await core.db.write(work)


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """The same with every `$name` that is known replaced by what it stands for; in keys it may be a part."""
    match value:
        case dict():
            return {Template(key).safe_substitute(known): filled(item, known) for key, item in value.items()}
        case list():
            return [filled(item, known) for item in value]
        case str() if value.startswith("$"):
            return known.get(value[1:], value)
        case _:
            return value


def bracketed(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Parameters the way PHP's http_build_query writes them."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from bracketed(item, f"{name}[{key}]" if name else str(key))
    else:
        yield name, str(value)


def file_content(data: bytes, name: str = "shirt.png") -> list[str]:
    """The parameter `fileContent` for these bytes."""
    return [name, b64encode(data).decode()]


def vendor_sample() -> str:
    """Base64 like that of the vendor's upload example: 1092 bytes with 24 soft hyphens scattered in between."""
    text = b64encode(pictures.double_png()).decode()
    return "\u00ad".join(text[at : at + 60] for at in range(0, len(text), 60))


async def make_images(core: Core, caller: Principal, product_id: int, count: int, data: bytes) -> list[int]:
    """The ids of so many new images called 000.png, 001.png and so on: equal bytes, one transaction."""
    if not count:
        return []
    first = await make_image(core, caller, product_id, data, name="000.png")
    digest = hashlib.sha256(data).hexdigest()

    async def work(tx: Tx) -> list[int]:
        blob = await blob_rows.find_live(tx, caller.account_id, digest)
        assert blob is not None
        more = [
            NewImage(product_id, "more", f"{number:03}.png", f"{first.id:03x}/{number:032}", str(uuid4()), core.now())
            for number in range(1, count)
        ]
        return [(await image_rows.add_image(tx, caller.account_id, new, blob.id)).id for new in more]

    return [first.id, *await core.db.write(work)]


async def make_inventory_product(
    core: Core, caller: Principal, image_guid: str, name: str = "Print", code: str = "5M41M9S8X10"
) -> InventoryProduct:
    """A new product sold of the image with that guid, which the inventory library has to show."""
    new = NewInventoryProduct(guid=str(uuid4()), product_code=code, name=name)
    return await inventory.add(core, caller, image_guid, new)


async def make_library_image(
    core: Core, caller: Principal, data: bytes = b"", place: Place = INVENTORY, name: str = "dunes.jpg"
) -> LibraryImage:
    """A new image of a library that is on no product: with these bytes, or without any and at somebody else's."""
    new = NewLibraryImage(
        guid=str(uuid4()),
        place=place,
        name=name,
        title=name,
        description=None,
        created_at=core.now(),
        expires_at=libraries.expiry(core, place),
        files=None if data else Files(f"https://img.example/{name}"),
        address=images.new_address() if data else None,
    )
    if not data:
        return (await libraries.add_images(core, caller, [new]))[0]

    async def work(tx: Tx, blob_ids: list[int]) -> LibraryImage:
        return (await libraries.put(tx, caller, [(new, blob_ids[0])]))[0]

    examined = await originals.examine(core, Upload(name, len(data), lambda: data))
    return await originals.store(core, caller.account_id, [examined], work)


async def make_library_images(core: Core, caller: Principal, count: int, place: Place = INVENTORY) -> list[str]:
    """The guids of so many new images that lie with somebody else, called 000.jpg and so on: one transaction."""
    news = [
        NewLibraryImage(
            guid=str(uuid4()),
            place=place,
            name=f"{number:03}.jpg",
            title=f"{number:03}.jpg",
            description=None,
            created_at=core.now(),
            expires_at=libraries.expiry(core, place),
            files=Files(f"https://img.example/{number:03}.jpg"),
        )
        for number in range(count)
    ]
    return [image.guid for image in await libraries.add_images(core, caller, news)]
