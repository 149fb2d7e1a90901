"""What one request costs on each database: CPU of the web process, its workers and PostgreSQL, and bytes written.

docs/capacity.md reckons with these figures.
"""

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import structs

from benchmarks import measure, pictures, stock, uploads
from benchmarks.library import Keys
from benchmarks.load import Call, Candidate, reads
from benchmarks.million import served
from benchmarks.postgresql import Postgresql, postgresql
from benchmarks.product import call
from benchmarks.report import Verdict
from benchmarks.servers import Server, ServerError, program, run_once
from benchmarks.stock import Stock

IMAGES = 100_000
CONNECTIONS = 16
DELETES = 500
PRESET = "card"
JSON = {"Content-Type": "application/json"}

Price = Mapping[str, float]
"""What one request used, by counter."""


def measured(folder: Path, seconds: int) -> list[Verdict]:
    """Measure and print the prices on each database; there are no limits to keep."""
    _dialect("SQLite", folder / "prices", seconds, None)
    with postgresql(folder / "server") as database:
        _dialect("PostgreSQL", folder / "prices-postgresql", seconds, database)
    return []


def _dialect(name: str, data: Path, seconds: int, database: Postgresql | None) -> None:
    store = stock.made(data, IMAGES, database.make("prices") if database else "")
    pictures.write_upload(data.with_suffix(".json"))
    text = uploads.read_text(data.with_suffix(".json"))
    print(f"\n{name}: of one request among {IMAGES:,} images, in us of CPU and in bytes")
    print(f"  {'':34}{'web':>9}{'workers':>9}{'database':>9}{'written':>12}{'of them log':>12}")
    for seed, verify in enumerate(("header", "full")):
        with served(store, PACKSHOT_INTAKE_VERIFY=verify) as server:
            add = _asking(store, server, f"{store.rest}catalog.productImage.add")
            uploads.run(add, text, 1, seed=10 * seed + 1)
            with _priced(f"add of 200 KB, {verify}", server, database) as count:
                count(uploads.run(add, text, seconds, seed=10 * seed + 2).requests)
            if verify == "full":
                _reads(store, server, database, seconds)
                with _priced("delete", server, database) as count:
                    count(_delete(store, server))


def _asking(store: Stock, server: Server, path: str, body: str = "", method: str = "POST") -> Candidate:
    return Candidate(path, server.pid, server.port, Call(method, path, body), store.catalogue)


def _reads(store: Stock, server: Server, database: Postgresql | None, seconds: int) -> None:
    first = {"productId": store.catalogue.first_product, "id": store.catalogue.first_image}
    address = urlsplit(call(server.port, f"{store.rest}catalog.productImage.get", first)["productImage"]["detailUrl"])
    key, name = address.path.split("/")[-2:]
    with stock.environment(store.env):
        made = run_once([program("packshot"), "keys", "create", "--data", str(store.data), "--json"])
    keys = urlencode(structs.asdict(msgspec.json.decode(made, type=Keys)))
    page = msgspec.json.encode({"page_number": 1, "per_page": 50, "sort_field": "id", "sort_direction": "DESC"})
    asked = {
        "get": (f"{store.rest}catalog.productImage.get", '{"productId":@product@,"id":@image@}'),
        "list of 10": (f"{store.rest}catalog.productImage.list", '{"productId":@product@}'),
        "list_images, page of 50": (f"/v3/list_images?{keys}", page.decode()),
        "public original of 200 KB": (address.path, ""),
        "rendition that is kept": (f"/i/{key}/{PRESET}/{name}", ""),
    }
    for what, (path, body) in asked.items():
        candidate = _asking(store, server, path, body, "POST" if body else "GET")
        reads(candidate, CONNECTIONS, 1)
        with _priced(what, server, database) as count:
            count(reads(candidate, CONNECTIONS, seconds).requests)


def _delete(store: Stock, server: Server) -> int:
    """Delete images one by one, and return how many; they lie anywhere."""
    catalogue, step = store.catalogue, store.catalogue.images // DELETES
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for number in range(1, catalogue.images, step):
        image, product = catalogue.first_image + number, catalogue.first_product + stock.product_of(number)
        body = b'{"productId":%d,"id":%d}' % (product, image)
        connection.request("POST", f"{store.rest}catalog.productImage.delete", body, JSON)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ServerError(f"Packshot answered {answer.status}: {text.decode()}")
    connection.close()
    return len(range(1, catalogue.images, step))


@contextmanager
def _priced(what: str, server: Server, database: Postgresql | None) -> Iterator[Callable[[int], None]]:
    """Print what each of the requests in the block costs; what is given is told how many they were."""
    counts: list[int] = []
    before = _counters(server, database)
    yield counts.append
    used = [(now - then) / counts[0] for now, then in zip(_counters(server, database), before, strict=True)]
    print(f"  {what:34}{used[0]:9,.0f}{used[1]:9,.0f}{used[2]:9,.0f}{used[3]:12,.0f}{used[4]:12,.0f}", flush=True)


def _counters(server: Server, database: Postgresql | None) -> tuple[float, ...]:
    """CPU of web process, workers and PostgreSQL in us, bytes written to the disk, and those of PostgreSQL's log."""
    web, *workers = measure.tree(server.pid)
    servers = measure.tree(database.pid) if database else []
    workers_s = measure.cpu_s(workers) + measure.ended_cpu_s(server.pid)
    database_s = measure.cpu_s(servers) + (measure.ended_cpu_s(database.pid) if database else 0)
    written = sum(map(_written_bytes, [web, *servers]))
    return (
        measure.cpu_s([web]) * 1e6,
        workers_s * 1e6,
        database_s * 1e6,
        written,
        database.log_bytes() if database else 0,
    )


def _written_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/io").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(text.partition("\nwrite_bytes: ")[2].split()[0])
