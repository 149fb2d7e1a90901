"""Clients who add and delete images of a real server for as long as a test wants, and know what was acknowledged."""

import hashlib
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import httpx

from pictures import png
from serving import Server

WORKERS = 3
PAUSE_S = 0.02
"""Between changes of a worker: what they are made beside shares its processors with them."""


@dataclass
class Change:
    """An image that was added, with the digest of its bytes, or deleted, without one."""

    name: str
    digest: str | None
    begun_s: float
    acked_s: float = float("inf")


@dataclass
class Worker:
    """Somebody who changes the images of one product, one after the other."""

    server: Server
    number: int
    product_id: int
    changes: list[Change] = field(default_factory=list)

    def work(self, stop: threading.Event) -> None:
        chance, ids = Random(self.number), dict[str, int]()
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                if len(ids) > 5 and chance.random() < 0.4:
                    name = chance.choice(sorted(ids))
                    change = Change(name, None, time.monotonic())
                    body: dict[str, object] = {"id": ids.pop(name), "productId": self.product_id}
                else:
                    number = len(self.changes)
                    name, data = (
                        f"{self.number}-{number}.png",
                        png(1 + number % 200, 1 + self.number * 9 + number // 200),
                    )
                    change = Change(name, hashlib.sha256(data).hexdigest(), time.monotonic())
                    fields = {"productId": self.product_id, "type": "MORE_PHOTO"}
                    body = {"fields": fields, "fileContent": [name, b64encode(data).decode()]}
                self.changes.append(change)
                verb = "add" if change.digest else "delete"
                answer = client.post(f"{self.server.webhook_url}catalog.productImage.{verb}", json=body)
                assert answer.status_code == 200, answer.text
                change.acked_s = time.monotonic()
                if change.digest:
                    ids[name] = answer.json()["result"]["productImage"]["id"]
                stop.wait(PAUSE_S)

    def held(self, count: int) -> dict[str, str]:
        """The images after so many changes."""
        there: dict[str, str] = {}
        for change in self.changes[:count]:
            if change.digest:
                there[change.name] = change.digest
            else:
                del there[change.name]
        return there


@contextmanager
def loaded(server: Server) -> Iterator[list[Worker]]:
    """Workers at work until the block ends."""
    workers, stop = [], threading.Event()
    for number in range(WORKERS):
        body = {"fields": {"iblockId": 1, "name": str(number)}}
        answer = httpx.post(f"{server.webhook_url}catalog.product.add", json=body).json()
        workers.append(Worker(server, number, answer["result"]["element"]["id"]))
    threads = [threading.Thread(target=worker.work, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield workers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
