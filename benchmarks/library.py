"""Libraries of 100 000 images: pages and searches against their own SQL, what others notice of them, and deletes."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

import msgspec
from msgspec import structs

from benchmarks import measure, shelf
from benchmarks.catalogue import Recording, alone
from benchmarks.load import Call, Candidate, Catalogue, Round, reading, reads
from benchmarks.measure import Spread, spread
from benchmarks.product import DATABASE
from benchmarks.report import Rounds, Verdict, alternate, cpu_us, ratio, table
from benchmarks.servers import Server, ServerError, ask, free_port, program, run_once, running
from packshot.domain.libraries import Sort, Wanted
from packshot.storage.library_lists import list_images
from packshot.storage.sqlite import connect

IMAGES = 100_000
ROWS = 50
CONNECTIONS = 2
DELETED = 500
SQL_RUNS = 10
SECONDS = 1

PAGE_MS, SEARCH_MS, DELETE_MS, OTHERS_MS = 20, 150, 100, 50

WIRE: dict[Sort, str] = {
    "id": "id",
    "title": "title",
    "name": "file_name",
    "size_bytes": "file_size",
    "created_at": "date_added",
}

SEARCHES = {
    "rare, by id": Wanted(search="dunes no. 77"),
    "rare, by title": Wanted(search="dunes no. 77", sort="title"),
    "rare, behind the last page": Wanted(search="dunes no. 77", sort="title", offset=IMAGES // 2),
    "frequent, by id": Wanted(search="jpg"),
    "frequent, by title": Wanted(search="jpg", sort="title"),
    "frequent, by title, in the middle": Wanted(search="jpg", sort="title", offset=IMAGES // 2),
    "frequent, by size, last page": Wanted(search="jpg", sort="size_bytes", offset=IMAGES - ROWS),
    "two characters, in the middle": Wanted(search="an", sort="title", offset=IMAGES // 4),
    "none, by name": Wanted(search="no such thing", sort="name"),
    "active, by date, in the middle": Wanted(active=True, sort="created_at", offset=IMAGES // 2),
    "active and frequent, by title": Wanted(active=True, search="jpg", sort="title"),
    "a third of all days": Wanted(created_from=IMAGES // 3, created_before=IMAGES * 2 // 3),
    "some days, frequent, by title": Wanted(created_from=9_000, created_before=9_480, search="jpg", sort="title"),
    "fifty guids, by title": Wanted(guids=tuple(map(shelf.guid, range(100, 100 + ROWS))), sort="title"),
}
"""What is searched for; days as numbers of the images added then."""

UNSHARED = {
    "all": Wanted(shared=False),
    "by title, in the middle": Wanted(shared=False, sort="title", offset=IMAGES // 3),
    "frequent, by name": Wanted(shared=False, search="jpg", sort="name"),
}


class Keys(msgspec.Struct):
    """What `packshot keys create --json` says, as far as it is needed here."""

    web_api_key: str
    app_key: str


@dataclass(frozen=True, slots=True)
class Library:
    """An account's library behind a running server."""

    server: Server
    keys: Keys
    account_id: int

    def candidate(self, name: str, method: str, body: str = "", verb: str = "POST") -> Candidate:
        """One of FinerWorks' methods. The keys go in the address, which is all that the load can carry them in."""
        call = Call(verb, f"/v3/{method}?{urlencode(structs.asdict(self.keys))}", body)
        return Candidate(name, self.server.pid, self.server.port, call, Catalogue(IMAGES))

    def page(self, name: str, wanted: Wanted) -> Candidate:
        """list_images for what is wanted."""
        return self.candidate(name, "list_images", msgspec.json.encode(_words(wanted)).decode())


def measured(folder: Path, rounds: int) -> list[Verdict]:
    """Measure all of it on a store of its own in *folder*, and print the tables."""
    command, data = program("packshot"), folder / "library"
    run_once([command, "init", "--data", str(data), "--json"])
    keys = {account: _keys(command, data, account) for account in (shelf.MAIN, shelf.SHOP)}
    shelf.fill(data / DATABASE, IMAGES)
    verdicts: list[Verdict] = []
    with contextlib.closing(connect(data / DATABASE, read_only=True)) as connection:
        accounts = dict(connection.execute("SELECT name, id FROM account"))
        with _served(folder, data, shared=True) as server:
            main = Library(server, keys[shelf.MAIN], accounts[shelf.MAIN])
            verdicts += [_first_pages(main, rounds)]
            verdicts += _searches(connection, main, "library", SEARCHES, rounds)
            verdicts += [_others(main, rounds)]
        with _served(folder, data, shared=False) as server:
            for account in (shelf.MAIN, shelf.SHOP):
                library = Library(server, keys[account], accounts[account])
                verdicts += _searches(connection, library, f"unshared, {account}", UNSHARED, rounds)
    with _served(folder, data, shared=True) as server:
        verdicts += [_deletes(Library(server, keys[shelf.MAIN], accounts[shelf.MAIN]), rounds)]
    return verdicts


def _keys(command: str, data: Path, account: str) -> Keys:
    arguments = ["keys", "create", "--data", str(data), "--account", account, "--json"]
    return msgspec.json.decode(run_once([command, *arguments]), type=Keys)


@contextlib.contextmanager
def _served(folder: Path, data: Path, *, shared: bool) -> Iterator[Server]:
    port = free_port()
    serve = [program("packshot"), "serve", "--data", str(data), "--host=127.0.0.1", f"--port={port}"]
    settings = {"PACKSHOT_FINERWORKS_SHARED_LIBRARY": str(shared).lower()}
    with running("Packshot", serve, port, folder / "library.log", settings) as server:
        yield server


def _words(wanted: Wanted) -> dict[str, Any]:
    """The same as a client would say it."""
    return {
        "search_filter": wanted.search,
        "guid_filter": wanted.guids,
        "active": wanted.active,
        "upload_date_from": _moment(wanted.created_from),
        "upload_date_to": _moment(wanted.created_before),
        "sort_field": WIRE[wanted.sort],
        "sort_direction": "DESC" if wanted.descending else "ASC",
        "page_number": wanted.offset // ROWS + 1,
        "per_page": ROWS,
    }


def _moment(number: int | None) -> str | None:
    return None if number is None else datetime.fromtimestamp(shelf.added_at(number) / 1e6, UTC).isoformat()


def _first_pages(library: Library, rounds: int) -> Verdict:
    """Page 1 without a search, in each order."""
    candidates = [
        library.page(f"by {sort}, {'down' if descending else 'up'}", Wanted(sort=sort, descending=descending))
        for sort in get_args(Sort)
        for descending in (True, False)
    ]
    results = _alternated(candidates, rounds)
    table(f"list_images, page 1 of {IMAGES} images, {CONNECTIONS} connections", results)
    return Verdict("library: page 1 in its dearest order: ms of CPU", _dearest_ms(results), "<", PAGE_MS)


def _alternated(candidates: list[Candidate], rounds: int) -> Rounds:
    for candidate in candidates:
        reads(candidate, CONNECTIONS, SECONDS)
    return alternate({each.name: reading(each, CONNECTIONS, SECONDS) for each in candidates}, rounds)


def _dearest_ms(results: Rounds) -> Spread:
    return max(
        (spread(cpu_us(one) / 1e3 for one in each) for each in results.values()), key=lambda values: values.median
    )


def _searches(
    connection: sqlite3.Connection,
    library: Library,
    where: str,
    cases: Mapping[str, Wanted],
    rounds: int,
) -> list[Verdict]:
    """Each search beside its own SQL run alone, and the dearest of them."""
    verdicts, dearest = [], {}
    for name, wanted in cases.items():
        candidate = library.page(f"{where}: {name}", wanted)
        statements = asyncio.run(_statements(connection, library.account_id, wanted))
        reads(candidate, CONNECTIONS, SECONDS)
        load = reading(candidate, CONNECTIONS, SECONDS)
        results = alternate({candidate.name: load, "SQL alone": alone(connection, statements, SQL_RUNS)}, rounds)
        table(f"list_images, {CONNECTIONS} connections", results)
        dearest[name] = results[candidate.name]
        measured = ratio(results[candidate.name], results["SQL alone"], cpu_us)
        verdicts.append(Verdict(f"{candidate.name}: CPU of the SQL's", measured, "<=", 1.5))
    return [*verdicts, Verdict(f"{where}, the dearest: ms of CPU", _dearest_ms(dearest), "<=", SEARCH_MS)]


async def _statements(
    connection: sqlite3.Connection, account_id: int, wanted: Wanted
) -> list[tuple[str, tuple[Any, ...]]]:
    """The statements that this page is made of."""
    recording = Recording(connection)
    since, until = (number and shelf.added_at(number) for number in (wanted.created_from, wanted.created_before))
    await list_images(
        recording, account_id, structs.replace(wanted, limit=ROWS, created_from=since, created_before=until)
    )
    return recording.statements


def _others(library: Library, rounds: int) -> Verdict:
    """What one who asks small things waits while others search without a pause, and while nobody does."""
    small = library.candidate("a small call", "test_my_credentials", verb="GET")
    search = library.page("searches", SEARCHES["frequent, by title, in the middle"])

    def beside(_: int) -> Round:
        with ThreadPoolExecutor(1) as pool:
            searching = pool.submit(reads, search, 2 * CONNECTIONS, SECONDS + 1)
            round_ = reads(small, 1, SECONDS)
            searching.result()
        return round_

    results = alternate({"alone": reading(small, 1, SECONDS), "beside 4 that search": beside}, rounds)
    table("test_my_credentials, 1 connection", results)
    waits_ms = spread(one.p99_ms for one in results["beside 4 that search"])
    return Verdict("library: p99 of others while 4 search: ms", waits_ms, "<", OTHERS_MS)


def _deletes(library: Library, rounds: int) -> Verdict:
    """delete_images of 500 guids in one call; a fifth of the images takes a product along."""
    candidate = library.candidate("delete", "delete_images", verb="DELETE")
    taken_ms = []
    for number in range(rounds):
        guids = [shelf.guid(at) for at in range(number, IMAGES, IMAGES // DELETED)]
        body = msgspec.json.encode({"guids": guids, "library": None})
        pids = measure.tree(library.server.pid)
        started_s = measure.cpu_s(pids)
        status, text = ask(candidate.port, "DELETE", candidate.call.path, body)
        taken_ms.append((measure.cpu_s(pids) - started_s) * 1e3)
        if status != 200 or b'"message":""' not in text:
            raise ServerError(f"Packshot answered {status} to delete_images: {text.decode()}")
    values = spread(taken_ms)
    print(f"\ndelete_images of {DELETED} guids: {values.median:.0f} ms of CPU ({values.low:.0f}-{values.high:.0f})")
    return Verdict(f"library: delete of {DELETED} guids: ms of CPU", values, "<", DELETE_MS)
