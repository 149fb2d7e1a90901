"""What befalls the disk under a store in one process, and clients of both protocols who remember what they hear."""

import errno
import os
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

import httpx
import msgspec
import pytest

import pictures
from build import file_content, make_product, visiting
from hooked import Hooked, sqlite_error
from packshot import app
from packshot.domain.access import Principal
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.keys import Keys
from packshot.storage import reserve, sqlite
from packshot.storage.blobs import Bytes, staging
from packshot.storage.reserve import DiskSettings, Reserve
from packshot.storage.sqlite import connect
from receiver import PRIVATE

Fault = Literal["", "full", "read-only", "broken", "locked"]

_CHANGES = ("INSERT", "UPDATE", "DELETE")
_OF_DATABASE = {"full": "SQLITE_FULL", "read-only": "SQLITE_READONLY", "broken": "SQLITE_IOERR"}
_OF_FILES = {"full": errno.ENOSPC, "read-only": errno.EROFS, "broken": errno.EIO}
_PLENTY = 2**40
SETTINGS = msgspec.structs.replace(PRIVATE, disk=DiskSettings(reserve_bytes=65_536))


class Weather:
    """The fault of the disk at this moment; the store that is opened after `begin` has it.

    A disk that is full has the room of its reserve once that is out. A locked database is locked in earnest, by another
    connection, and writers lose their patience after `patience_s`.
    """

    def __init__(self, patience_s: float = 0.05) -> None:
        self.fault: Fault = ""
        self.at: tuple[str, ...] = ("COMMIT",)
        self.loses_all = False
        self.patience_s = patience_s
        self.reserve: Reserve | None = None

    def begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        weather = self

        class Files(staging.Files):
            def open_new(self, path: Path) -> int:
                weather.strike("read-only")
                return super().open_new(path)

            def write(self, descriptor: int, data: Bytes) -> None:
                super().write(descriptor, memoryview(data)[: len(data) // 2])
                weather.strike("full")
                super().write(descriptor, memoryview(data)[len(data) // 2 :])

            def fsync(self, descriptor: int) -> None:
                weather.strike("broken")
                super().fsync(descriptor)

        def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
            real = connect(path, read_only=read_only)
            real.execute(f"PRAGMA busy_timeout = {int(1000 * self.patience_s)}").fetchall()
            return real if read_only else cast("sqlite3.Connection", Hooked(real, self._before))

        monkeypatch.setattr(staging, "Files", Files)
        monkeypatch.setattr(sqlite, "connect", opened)
        monkeypatch.setattr(reserve, "_free_bytes", lambda _: 0 if self.fault == "full" else _PLENTY)

    def strike(self, fault: Fault) -> None:
        """Fail what is done to a file, in that weather."""
        if self.fault == fault:
            raise OSError(_OF_FILES[fault], os.strerror(_OF_FILES[fault]))

    def _before(self, sql: str, connection: sqlite3.Connection) -> None:
        if self.fault not in _OF_DATABASE or not sql.startswith(self.at):
            return
        if self.fault == "full" and self.reserve and self.reserve.is_out():
            return
        if self.loses_all and connection.in_transaction:
            connection.execute("ROLLBACK")
        raise sqlite_error(_OF_DATABASE[self.fault])

    def choose(self, chance: random.Random) -> None:
        """Where SQLite is to notice, and whether it rolls back by itself."""
        self.at = chance.choice([("COMMIT",), _CHANGES, ("BEGIN", *_CHANGES)])
        self.loses_all = chance.random() < 1 / 2


class Clients:
    """One client of each protocol, what they were promised, and what nobody told them the end of."""

    def __init__(self, client: httpx.AsyncClient, rest: str, pair: Keys, product_id: int, seed: int) -> None:
        self._client = client
        self._rest = rest
        self._headers = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
        self._product_id = product_id
        self._chance = random.Random(seed)
        self._count = 0
        self.images: set[int] = set()
        self.prints: set[str] = set()
        self.unknown: set[int | str] = set()

    def picture(self) -> bytes:
        """A picture that was never there before."""
        self._count += 1
        return pictures.png(before=pictures.png_chunk(b"tEXt", b"Comment\0%d" % self._count))

    def _keyed(self) -> dict[str, str]:
        self._count += 1
        return {"Idempotency-Key": f"call-{self._count}"} if self._chance.random() < 1 / 2 else {}

    async def b24(self, method: str, *, writes: bool = True, **params: Any) -> httpx.Response:
        headers = self._keyed() if writes else {}
        return await self._client.post(f"{self._rest}catalog.{method}", json=params, headers=headers)

    async def v3(self, verb: str, method: str, *, writes: bool = True, **params: Any) -> httpx.Response:
        headers = self._headers | (self._keyed() if writes else {})
        return await self._client.request(verb, f"/v3/{method}", json=params, headers=headers)

    async def add_image(self) -> httpx.Response:
        content = file_content(self.picture())
        answer = await self.b24("productImage.add", fields={"productId": self._product_id}, fileContent=content)
        if answer.status_code == 200:
            self.images.add(answer.json()["result"]["productImage"]["id"])
        return answer

    async def add_product(self) -> httpx.Response:
        return await self.b24("product.add", fields={"iblockId": 1, "name": "Mug"})

    async def add_print(self) -> httpx.Response:
        guid = str(UUID(int=self._chance.getrandbits(128), version=4))
        path = f"/packshot/v3/images/{guid}"
        answer = await self._client.put(path, content=self.picture(), headers=self._headers | self._keyed())
        (self.prints if answer.status_code == 200 else self.unknown).add(guid)
        return answer

    async def add_address(self) -> httpx.Response:
        image = {"file_name": "photo.jpg", "private_hires_uri": "https://img.example/h/photo.jpg"}
        answer = await self.v3("POST", "add_images", images=[image], library=None)
        if answer.status_code == 200:
            self.prints.add(answer.json()["images"][0]["guid"])
        return answer

    async def remove_image(self) -> httpx.Response:
        image_id = min(self.images)
        answer = await self.b24("productImage.delete", productId=self._product_id, id=image_id)
        self._removed(self.images, image_id, answer)
        return answer

    async def remove_print(self) -> httpx.Response:
        guid = min(self.prints)
        answer = await self.v3("DELETE", "delete_images", guids=[guid], library=None)
        self._removed(self.prints, guid, answer)
        return answer

    def _removed(self, there: set[Any], name: int | str, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            there.remove(name)

    @property
    def adding(self) -> list[Callable[[], Awaitable[httpx.Response]]]:
        return [self.add_image, self.add_product, self.add_print, self.add_address]

    @property
    def removing(self) -> list[Callable[[], Awaitable[httpx.Response]]]:
        return [self.remove_image, self.remove_print]

    async def stock_up(self) -> None:
        """Have something to delete, and no more than a page of lists holds."""
        for there, add, remove in (
            (self.images, self.add_image, self.remove_image),
            (self.prints, self.add_print, self.remove_print),
        ):
            while not 3 <= len(there) <= 10:
                answer = await (add() if len(there) < 3 else remove())
                assert answer.status_code == 200, answer.text

    async def must_be_readable(self) -> None:
        """Reads of both protocols are answered."""
        for image_id in self._chance.sample(sorted(self.images), 2):
            assert is_good(await self.b24("productImage.get", writes=False, productId=self._product_id, id=image_id))
        assert is_good(await self.v3("POST", "list_images", writes=False, page_number=1, per_page=9, library=None))

    async def must_have_everything(self) -> None:
        """Reads are answered, with what was promised and nothing more, and with bytes."""
        answer = await self.b24("productImage.list", writes=False, productId=self._product_id)
        assert answer.status_code == 200, answer.text
        listed = answer.json()["result"]["productImages"]
        assert {image["id"] for image in listed} == self.images
        for image in self._chance.sample(listed, 2):
            download = await self._client.get(image["downloadUrl"])
            assert (download.status_code, download.content[:4]) == (200, b"\x89PNG")
        answer = await self.v3("POST", "list_images", writes=False, page_number=1, per_page=200, library=None)
        assert answer.status_code == 200, answer.text
        there = {image["guid"] for image in answer.json()["images"]}
        assert self.prints <= there
        assert not self.unknown & there


@dataclass
class Store:
    """An open store in some weather, its clients, and what was told of a disk that failed."""

    core: Core
    owner: Principal
    clients: Clients
    weather: Weather
    failures: list[BaseException]


@asynccontextmanager
async def opened(folder: Path, weather: Weather, seed: int = 1) -> AsyncIterator[Store]:
    """A new store whose disk has a reserve, and a product for pictures in it."""
    failures: list[BaseException] = []
    async with app.open_core(folder, SETTINGS, failures.append) as core:
        core.reserve.make()
        weather.reserve = core.reserve
        made = await setup.create_account(core)
        assert made is not None
        pair = await keys.create(core, setup.ACCOUNT)
        owner = Principal(made.account_id, made.user_id, "administrator", setup.SCOPES, made.webhook_id)
        product_id = await make_product(core, owner)
        async with visiting(core, SETTINGS) as client:
            clients = Clients(client, f"/rest/{made.user_id}/{made.webhook_code}/", pair, product_id, seed)
            yield Store(core, owner, clients, weather, failures)


def is_good(answer: httpx.Response) -> bool:
    """Whether it was done."""
    return answer.status_code == 200


def is_full(answer: httpx.Response) -> bool:
    """Whether that is what a client of its protocol hears of a store that is full."""
    told = answer.json()
    b24 = {"error": 0, "error_description": "Disk space limit exceeded"}
    return answer.status_code == 400 and (
        told == b24 or told.get("status", {}).get("message") == "The disk space limit is exceeded"
    )


def is_unavailable(answer: httpx.Response) -> bool:
    """Whether a client of its protocol hears that it shall come again."""
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
