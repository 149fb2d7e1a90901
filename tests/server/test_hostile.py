"""Uploads that mean harm at a real server: each has its promised answer, and none costs more than that."""

import io
import json
import os
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from PIL import Image

import hostile
import located
import tags
from hostile import Hostile
from packshot.domain.errors import PackshotError
from packshot.domain.originals import PrintLimits, check_header
from packshot.imaging.probe import probe
from packshot.protocols.body import BodyLimits
from serving import Server, serving

FILES = hostile.hostile_files()
WORKERS = 2
ENVIRONMENT = {
    "PACKSHOT_INTAKE_VERIFY": "full",
    "PACKSHOT_ORIGINALS_PRIVACY": "strip_location",
    "PACKSHOT_WORKERS_COUNT": str(WORKERS),
    # However busy the machine is, an upload waits for its turn rather than be sent away.
    "PACKSHOT_WORKERS_WAIT_S": "120",
    "PACKSHOT_WORKERS_JOB_S": "60",
}
WEB_BYTES = 150_000_000 + 3 * BodyLimits().in_flight_bytes
WORKER_BYTES = 768_000_000
SECOND_KINDS = (b"script", b"alert", b"php", b"PK\3\4", b"%PDF", tags.MARKER)
ACCEPTS = ("image/avif,image/webp,*/*", "image/webp,*/*", "*/*", "image/jpeg")
SIGNATURES = {
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


class Shown(NamedTuple):
    """What an address of a picture answered."""

    path: str
    status: int
    media_type: str
    data: bytes


class Outcome(NamedTuple):
    """What became of an upload, and what is shown of it."""

    status: int
    answer: Any
    shown: list[Shown]


class Watched:
    """What was seen of a server from outside, all along: its and a worker's largest peak, and whether it answered."""

    def __init__(self) -> None:
        self.web_bytes = self.worker_bytes = self.children = self.looks = 0
        self.silent: list[str] = []

    def look(self, server: Server) -> None:
        pid = server.process.pid
        children = children_of(pid)
        self.web_bytes = max(self.web_bytes, peak_bytes(pid))
        self.worker_bytes = max(self.worker_bytes, *map(peak_bytes, children), 0)
        self.children = max(self.children, len(children))
        self.looks += 1
        try:
            answer = httpx.get(f"{server.base_url}/healthz", timeout=5)
        except httpx.HTTPError as error:
            self.silent.append(repr(error))
        else:
            self.silent += [answer.text] * (answer.status_code != 200)


class Visit(NamedTuple):
    """All that happened to one server from its start to its end."""

    product_images: dict[str, Outcome]
    print_files: dict[str, Outcome]
    located: dict[str, Outcome]
    crowd: list[int]
    watched: Watched
    children: list[int]
    lived: bool
    niceness: tuple[int, list[int]]
    exit_code: int
    log: list[dict[str, Any]]


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text("ascii").split()]


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had, all that it shares with others included; 0 once it has ended."""
    try:
        return 1024 * int(Path(f"/proc/{pid}/status").read_text("ascii").partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        return 0


@contextmanager
def watching(server: Server) -> Iterator[Watched]:
    """Look ten times a second for as long as the block takes."""
    watched, over = Watched(), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            watched.look(server)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()


def add(server: Server, client: httpx.Client, data: bytes) -> httpx.Response:
    """catalog.productImage.add."""
    body = b'{"fields":{"productId":1},"fileContent":["photo.jpeg","%b"]}' % b64encode(data)
    return client.post(f"{server.webhook_url}catalog.productImage.add", content=body)


def add_and_look(server: Server, client: httpx.Client, data: bytes) -> Outcome:
    """Add a picture to a product, and look at it in every size if it was taken."""
    answer = add(server, client, data)
    if answer.status_code != 200:
        return Outcome(answer.status_code, answer.json(), [])
    public = answer.json()["result"]["productImage"]["detailUrl"]
    *_, key, name = public.split("/")
    renditions = [f"/i/{key}/{preset}/{name}" for preset in ("thumbnail", "card.webp", "preview", "zoom", "card")]
    addresses = [public, *renditions]
    return Outcome(200, answer.json(), [look(server, client, path, turn) for turn, path in enumerate(addresses)])


def put_and_look(server: Server, client: httpx.Client, data: bytes, number: int) -> Outcome:
    """Upload a print file to FinerWorks' side, and look at its thumbnail and preview if it was taken."""
    keys = {name: server.facts[name] for name in ("web_api_key", "app_key")}
    address = f"{server.base_url}/packshot/v3/images/{UUID(int=number)}?file_name=print.jpeg"
    answer = client.put(address, content=data, headers=keys)
    if answer.status_code != 200:
        return Outcome(answer.status_code, answer.json(), [])
    (image,) = answer.json()["images"]
    addresses = [image["public_thumbnail_uri"], image["public_preview_uri"]]
    paths = [address.removeprefix(server.base_url) for address in addresses]
    return Outcome(200, answer.json(), [look(server, client, path, turn) for turn, path in enumerate(paths)])


def look(server: Server, client: httpx.Client, path: str, turn: int) -> Shown:
    answer = client.get(f"{server.base_url}{path}", headers={"accept": ACCEPTS[turn % len(ACCEPTS)]})
    return Shown(path, answer.status_code, answer.headers["content-type"], answer.content)


def rests(server: Server) -> list[int]:
    """The pids of the server's children once there are as many as there should be."""
    end = time.monotonic() + 20
    while len(children := children_of(server.process.pid)) != WORKERS + 1:
        assert time.monotonic() < end, f"{len(children)} children"
        time.sleep(0.02)
    return children


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """A server that gets all hostile files at both doors, two at a time, and in the end the largest of them at once."""
    files = {name: file.make() for name, file in FILES.items()}
    private = {picture.media_type: picture.data for picture in located.located_pictures().values()}
    with (
        serving(tmp_path_factory.mktemp("hostile") / "data", environment=ENVIRONMENT) as server,
        httpx.Client(timeout=120) as client,
        ThreadPoolExecutor(12) as crowd,
        ThreadPoolExecutor(WORKERS) as pair,
    ):
        product = {"fields": {"iblockId": 1, "name": "Shirt"}}
        client.post(f"{server.webhook_url}catalog.product.add", json=product).raise_for_status()
        adding, putting = partial(add_and_look, server, client), partial(put_and_look, server, client)
        with watching(server) as watched:
            added = list(pair.map(adding, files.values()))
            hidden = list(pair.map(adding, private.values()))
            put = list(pair.map(putting, files.values(), range(1, 999)))
            at_once = list(crowd.map(lambda _: add(server, client, files["png of plain text"]).status_code, range(12)))
            children = rests(server)
        lived = server.process.poll() is None
        own, *theirs = (os.getpriority(os.PRIO_PROCESS, pid) for pid in [server.process.pid, *children])
        server.process.terminate()
        exit_code = server.process.wait(20)
        lines = [json.loads(line) for line in server.printed().splitlines() if line.startswith("{")]
    return Visit(
        product_images=dict(zip(FILES, added, strict=True)),
        print_files=dict(zip(FILES, put, strict=True)),
        located=dict(zip(private, hidden, strict=True)),
        crowd=at_once,
        watched=watched,
        children=children,
        lived=lived,
        niceness=(own, theirs),
        exit_code=exit_code,
        log=lines,
    )


def promised(file: Hostile) -> set[int]:
    """The statuses that are promised to whoever uploads it."""
    if file.header != "taken":
        return {400}
    return {200 if promise == "taken" else 400 for promise in file.picture}


def promised_to_printers(file: Hostile) -> set[int]:
    """The same for a print file, which may be larger; nothing is promised of how its decoder bears that."""
    if file.header != "too large":
        return promised(file)
    try:
        check_header(probe(file.make()), PrintLimits())
    except PackshotError:
        return {400}
    return {200, 400}


def assert_harmless(shown: Shown) -> None:
    """It is a picture of the type it says it is and nothing else; or it says that there is none to be had."""
    assert shown.status in {200, 422, 503}, shown
    if shown.status != 200:
        assert shown.media_type.startswith("application/json")
        return
    if shown.path.startswith("/i/"):
        with Image.open(io.BytesIO(shown.data)) as image:
            image.load()
            assert Image.MIME[image.format or ""] == shown.media_type
            assert max(image.size) <= 2_400
    else:
        assert shown.data.startswith(SIGNATURES[shown.media_type])
    assert not any(text in shown.data for text in SECOND_KINDS)


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_product_image_gets_its_promised_answer_and_shows_nothing_but_a_picture(
    name: str, visit: Visit
) -> None:
    outcome = visit.product_images[name]

    assert outcome.status in promised(FILES[name]), outcome.answer
    assert outcome.status == 200 or outcome.answer["error"] == 0
    for shown in outcome.shown:
        assert_harmless(shown)


@pytest.mark.parametrize("name", ["png profile of 128 megabytes", "jpeg of 255 profiles"])
def test_a_flood_of_colour_profile_is_not_passed_on(name: str, visit: Visit) -> None:
    public, *renditions = visit.product_images[name].shown

    assert {public.status, *(shown.status for shown in renditions)} == {200}
    with Image.open(io.BytesIO(public.data)) as image:
        assert "icc_profile" not in image.info
    assert len(public.data) < 10_000


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_print_file_gets_its_promised_answer_and_shows_nothing_but_a_picture(name: str, visit: Visit) -> None:
    outcome = visit.print_files[name]

    assert outcome.status in promised_to_printers(FILES[name]), outcome.answer
    assert outcome.status == 200 or outcome.answer["ModelState"]["request"]
    for shown in outcome.shown:
        assert_harmless(shown)


def test_nothing_that_is_shown_of_a_picture_tells_where_it_was_taken(visit: Visit) -> None:
    for outcome in visit.located.values():
        assert outcome.status == 200
        assert {shown.status for shown in outcome.shown} == {200}
        for shown in outcome.shown:
            assert_harmless(shown)


def test_who_comes_when_too_much_is_on_its_way_is_asked_to_come_again(visit: Visit) -> None:
    assert 200 in visit.crowd
    assert set(visit.crowd) <= {200, 503}


def test_memory_stays_within_its_bounds_whatever_is_uploaded(visit: Visit) -> None:
    assert visit.watched.looks > 10
    assert 0 < visit.watched.web_bytes < WEB_BYTES
    assert 0 < visit.watched.worker_bytes < WORKER_BYTES


def test_whoever_answers_comes_before_whoever_decodes(visit: Visit) -> None:
    own, theirs = visit.niceness

    assert own < min(theirs)


def test_the_server_lives_and_answers_all_along_and_leaves_nothing_behind(visit: Visit) -> None:
    assert visit.watched.silent == []
    assert visit.lived
    # A worker that is being replaced may be counted beside its successor.
    assert len(visit.children) == WORKERS + 1 <= visit.watched.children <= 2 * (WORKERS + 1)
    assert not [line for line in visit.log if line["level"] in {"error", "critical"} or line.get("status") == 500]
    assert visit.exit_code == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in visit.children)
