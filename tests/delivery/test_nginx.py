"""nginx in front, configured as the how-to shows it: what it sends in our place is what we would have sent."""

import hashlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from build import file_content
from pictures import jpeg_of_size, png
from serving import Server, new_store, serving

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.on_files("nginx sends originals out of our folder")]

HOW_TO = (Path(__file__).parents[2] / "docs" / "how-to.md").read_text("utf-8")
API, PICTURES = "pictures.example", "img.example"
SETTINGS = {
    "PACKSHOT_SERVER_TRUSTED_PROXIES": "127.0.0.1",
    "PACKSHOT_DELIVERY_BASE_URL": f"https://{PICTURES}",
}
ACCEL = SETTINGS | {"PACKSHOT_DELIVERY_ACCEL_REDIRECT": "/_packshot/"}
FILES = {"small": png(30, 20), "large": jpeg_of_size(3_000_000), "doomed": png(20, 30), "lost": png(20, 20)}
DATE = "Sat, 21 Nov 2026 05:00:00 GMT"

# By name: the method, and the headers beside the host. ETAG stands for the entity tag.
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "get": ("GET", {}),
    "head": ("HEAD", {}),
    "head of a range": ("HEAD", {"range": "bytes=0-9"}),
    "the beginning": ("GET", {"range": "bytes=0-9"}),
    "the rest": ("GET", {"range": "bytes=20-"}),
    "the end": ("GET", {"range": "bytes=-7"}),
    "more than all": ("GET", {"range": "bytes=10-99999999"}),
    "behind the end": ("GET", {"range": "bytes=99999999-"}),
    "several ranges": ("GET", {"range": "bytes=0-1,4-5"}),
    "no range": ("GET", {"range": "bytes=9-3"}),
    "the same": ("GET", {"if-none-match": "ETAG"}),
    "the same by head": ("HEAD", {"if-none-match": "ETAG"}),
    "another": ("GET", {"if-none-match": '"another"'}),
    "since": ("GET", {"if-modified-since": DATE}),
    "not since": ("GET", {"if-unmodified-since": "Sat, 21 Nov 2020 05:00:00 GMT"}),
    "only the same": ("GET", {"if-match": "ETAG"}),
    "only another": ("GET", {"if-match": '"another"'}),
    "a range of the same": ("GET", {"range": "bytes=0-9", "if-range": "ETAG"}),
    "a range of another": ("GET", {"range": "bytes=0-9", "if-range": '"another"'}),
    "a range of a weak one": ("GET", {"range": "bytes=0-9", "if-range": "W/ETAG"}),
    "a range by date": ("GET", {"range": "bytes=0-9", "if-range": DATE}),
    "a range of the same only": ("GET", {"range": "bytes=0-9", "if-match": "ETAG"}),
    "posted": ("POST", {}),
    "asked beforehand": ("OPTIONS", {"origin": "https://shop.example", "access-control-request-method": "GET"}),
}
ADDRESSES = ("downloadUrl", "detailUrl")
PLACES = [f"{name} {address}" for name in ("small", "large") for address in ADDRESSES]
OF_THE_HOP = {"date", "server", "connection", "x-request-id"}


class Shop(NamedTuple):
    """Packshot, and what reaches it through nginx; paths by place, and what a call names each image by."""

    server: Server
    nginx: httpx.Client
    paths: dict[str, str]
    images: dict[str, dict[str, int]]


def ask(client: httpx.Client, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> httpx.Response:
    """One answer, for the host that the path belongs to."""
    host = API if path.startswith(("/rest/", "/v3/")) else PICTURES
    return client.request(method, path, headers={"host": host, **(headers or {})})


def all_answers(client: httpx.Client, paths: dict[str, str]) -> dict[tuple[str, str], httpx.Response]:
    answers = {}
    for place in PLACES:
        path = paths[place]
        etag = ask(client, path, "HEAD").headers["etag"]
        for case, (method, headers) in CASES.items():
            filled = {name: value.replace("ETAG", etag) for name, value in headers.items()}
            answers[place, case] = ask(client, path, method, filled)
    return answers


def shown(response: httpx.Response) -> dict[str, Any]:
    """What of an answer matters to whoever gets it."""
    headers = sorted((name, value) for name, value in response.headers.multi_items() if name not in OF_THE_HOP)
    return {"status": response.status_code, "headers": headers, "body": response.content}


# nginx


def _shown_for_nginx(section: str) -> str:
    text = HOW_TO.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return "".join(re.findall(r"```nginx\n(.*?)```", text, re.DOTALL))


def _configuration(folder: Path, data: Path, port: int, packshot: str) -> str:
    """The parts that the how-to shows as one file, over plain HTTP and with the addresses of this run."""
    originals = _shown_for_nginx("Let nginx send originals")
    servers = _shown_for_nginx("Put it behind a proxy") + _shown_for_nginx("Serve pictures from a host of their own")
    servers = servers.replace("    server_name", f"{originals}    server_name")
    servers = re.sub(r"ssl_certificate.*;", "", servers)
    for written, real in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("http://127.0.0.1:8080", packshot),
        ("/srv/packshot/data", str(data)),
        ("/var/log/nginx", str(folder)),
        ("/var/cache/nginx", str(folder)),
    ):
        assert written in servers
        servers = servers.replace(written, real)
    user = "user root;" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    main = f"{user} daemon off; pid {folder}/pid; error_log {folder}/errors;"
    return f"{main}\nevents {{}}\nhttp {{\n{temporary}{servers}}}\n"


@contextmanager
def nginx(folder: Path, data: Path, packshot: str) -> Iterator[httpx.Client]:
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(_configuration(folder, data, port, packshot), "utf-8")
    process = subprocess.Popen(["nginx", "-c", file, "-p", folder], stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _wait(process, client)
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=15)


def _wait(process: "subprocess.Popen[str]", client: httpx.Client) -> None:
    end = time.monotonic() + 15
    while process.poll() is None and time.monotonic() < end:
        try:
            client.get("/healthz", headers={"host": API})
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise AssertionError(process.communicate()[1])


def _fill(server: Server) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """One image of each file, each on a product of its own."""
    paths: dict[str, str] = {}
    images = {}
    with httpx.Client(base_url=server.webhook_url, headers={"host": API}) as api:
        for name, data in FILES.items():
            product = {"fields": {"iblockId": 1, "name": name}}
            product_id = api.post("catalog.product.add", json=product).json()["result"]["element"]["id"]
            fields = {"productId": product_id, "type": "MORE_PHOTO"}
            new = {"fields": fields, "fileContent": file_content(data, f"{name}.jpg")}
            image = api.post("catalog.productImage.add", json=new).json()["result"]["productImage"]
            images[name] = {"productId": product_id, "id": image["id"]}
            for address in ADDRESSES:
                paths[f"{name} {address}"] = re.sub(r"https?://[^/]+", "", image[address])
    return paths, images


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("nginx") / "data"
    return folder, new_store(folder)


@pytest.fixture(scope="module")
def direct(place: tuple[Path, dict[str, Any]]) -> Any:
    """All answers of Packshot itself, and where the images are."""
    with serving(place[0], facts=place[1], environment=SETTINGS) as server:
        paths, images = _fill(server)
        with httpx.Client(base_url=server.base_url) as client:
            return all_answers(client, paths), paths, images


@pytest.fixture(scope="module")
def shop(place: tuple[Path, dict[str, Any]], direct: Any) -> Iterator[Shop]:
    folder, facts = place
    with (
        serving(folder, facts=facts, environment=ACCEL) as server,
        nginx(folder.parent / "nginx", folder, server.base_url) as client,
    ):
        yield Shop(server, client, *direct[1:])


@pytest.fixture(scope="module")
def through_nginx(shop: Shop) -> dict[tuple[str, str], httpx.Response]:
    return all_answers(shop.nginx, shop.paths)


# What it sends


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("place_name", PLACES)
def test_nginx_answers_as_packshot_does(direct: Any, through_nginx: Any, place_name: str, case: str) -> None:
    assert shown(through_nginx[place_name, case]) == shown(direct[0][place_name, case])


@pytest.mark.parametrize("place_name", PLACES)
def test_packshot_leaves_the_bytes_to_nginx(shop: Shop, place_name: str) -> None:
    with httpx.Client(base_url=shop.server.base_url) as client:
        answer = ask(client, shop.paths[place_name])

    assert (answer.status_code, answer.content) == (200, b"")
    location = r"/_packshot/blobs/([0-9a-f]{2})/\1[0-9a-f]{62}\.[0-9a-f]{16}"
    assert re.fullmatch(location, answer.headers["x-accel-redirect"])


@pytest.mark.parametrize("place_name", PLACES)
def test_nobody_sees_where_the_bytes_lie(through_nginx: Any, place_name: str) -> None:
    headers = [response.headers for (place, _), response in through_nginx.items() if place == place_name]

    assert not [one for one in headers if "x-accel-redirect" in one or "_packshot" in str(one)]


@pytest.mark.parametrize("host", [API, PICTURES])
def test_nobody_gets_a_file_by_its_internal_address(shop: Shop, place: tuple[Path, Any], host: str) -> None:
    file = next(file for file in (place[0] / "blobs").glob("*/*"))

    answers = [
        shop.nginx.get(f"/_packshot/{path}", headers={"host": host})
        for path in (f"blobs/{file.parent.name}/{file.name}", "blobs/../secret.key", "secret.key")
    ]

    assert {answer.status_code for answer in answers} <= {404, 421}


def test_bytes_that_are_gone_are_unavailable_and_kept_by_no_cache(shop: Shop, place: tuple[Path, Any]) -> None:
    (file,) = (place[0] / "blobs").glob(f"*/{hashlib.sha256(FILES['lost']).hexdigest()}.*")
    file.unlink()

    answer = ask(shop.nginx, shop.paths["lost detailUrl"])

    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")


# What else goes through


def test_a_rendition_comes_in_the_format_asked_for_and_from_the_cache_of_nginx_then(shop: Shop) -> None:
    key = shop.paths["small detailUrl"].split("/")[4]
    accepts = ("image/webp", "image/jpeg", "image/webp")

    answers = [ask(shop.nginx, f"/i/{key}/card/small.png", headers={"accept": accept}) for accept in accepts]

    assert [answer.headers["content-type"] for answer in answers] == list(accepts)
    assert {answer.headers["vary"] for answer in answers} == {"Accept"}
    assert answers[0].content == answers[2].content
    # The id is that of the request that Packshot answered.
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids[0] == ids[2] != ids[1]


def test_keys_in_headers_with_underscores_get_through(shop: Shop) -> None:
    facts = shop.server.facts
    keys = {name: facts[name] for name in ("web_api_key", "app_key")}

    answer = ask(shop.nginx, "/v3/test_my_credentials", headers=keys)

    assert answer.json()["status"]["success"] is True


def test_the_host_of_pictures_knows_nothing_of_the_api(shop: Shop) -> None:
    answer = shop.nginx.get("/rest/download.json", headers={"host": PICTURES})

    assert answer.status_code == 404


def test_a_deleted_picture_is_gone_within_a_second(shop: Shop) -> None:
    paths = [shop.paths[f"doomed {address}"] for address in ADDRESSES]
    before = [ask(shop.nginx, path).status_code for path in paths]
    delete = shop.server.webhook_url.removeprefix(shop.server.base_url) + "catalog.productImage.delete"

    deleted = shop.nginx.post(delete, headers={"host": API}, json=shop.images["doomed"])
    after = [ask(shop.nginx, path).status_code for path in paths]

    assert before == [200, 200]
    assert deleted.json()["result"] is True
    assert after == [404, 404]
