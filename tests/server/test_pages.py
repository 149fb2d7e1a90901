"""Health, metrics, request ids and memory of a running server."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from build import file_content
from pictures import jpeg_of_size
from serving import Server, serving

PSS_LIMIT_MB = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30) as client:
        yield client


# Health


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_server_that_takes_requests_says_so(http: httpx.Client, method: str, path: str, status: str) -> None:
    answer = http.request(method, path)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.text == (json.dumps({"status": status}, separators=(",", ":")) if method == "GET" else "")


def test_the_root_says_what_this_is(http: httpx.Client) -> None:
    assert http.get("/").json()["service"] == "packshot"


@pytest.mark.parametrize("path", ["/rest", "/admin", "/healthz/", "/.env", "/%2e%2e/secret.key"])
def test_anything_else_is_not_found_as_json(http: httpx.Client, path: str) -> None:
    answer = http.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_no_answer_names_the_software_behind_it(http: httpx.Client) -> None:
    assert "server" not in http.get("/healthz").headers


# Metrics


def samples(http: httpx.Client) -> dict[tuple[str, str, str], float]:
    """Every sample by name, route and status."""
    families = text_string_to_metric_families(http.get("/metrics").text)
    return {
        (sample.name, sample.labels.get("route", ""), sample.labels.get("status", "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(server: Server, http: httpx.Client) -> None:
    def counted(status: str) -> float:
        return samples(http).get(("packshot_requests_total", "catalog.product.list", status), 0)

    good, bad = counted("200"), counted("400")
    wanted = {"select": ["id", "iblockId"], "filter": {"iblockId": 1}}
    for _ in range(3):
        assert http.post(f"{server.webhook_url}catalog.product.list", json=wanted).status_code == 200
    assert http.post(f"{server.webhook_url}catalog.product.list.json", json={}).status_code == 400

    assert counted("200") == good + 3
    assert counted("400") == bad + 1


def test_no_label_is_made_of_what_a_client_sent(server: Server, http: httpx.Client) -> None:
    http.get("/made-up-path")
    http.post(f"{server.webhook_url}made.up.method")
    http.get("/upload/iblock/made/up")

    routes = {route for _, route, _ in samples(http)}

    assert {"other", "detailUrl"} <= routes
    assert not [route for route in routes if "made" in route]


def test_times_bodies_queue_and_process_are_measured(http: httpx.Client) -> None:
    http.get("/healthz")

    found = samples(http)

    assert found["packshot_request_seconds_count", "other", ""] > 0
    assert found["packshot_body_bytes_in_flight", "", ""] == 0
    assert found["packshot_writes_queued", "", ""] == 0
    assert found["process_resident_memory_bytes", "", ""] > 0


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "203.0.113.9"}, {"x-forwarded-for": "127.0.0.1"}])
def test_metrics_are_not_for_those_who_come_through_a_proxy(http: httpx.Client, headers: dict[str, str]) -> None:
    answer = http.get("/metrics", headers=headers)

    assert answer.status_code == 404
    assert "packshot_" not in answer.text


@pytest.mark.parametrize(("setting", "status"), [("on", 200), ("off", 404)])
def test_metrics_are_for_everybody_or_nobody_if_so_set(tmp_path: Path, setting: str, status: int) -> None:
    with serving(tmp_path / "data", environment={"PACKSHOT_SERVER_METRICS": setting}) as server:
        answer = httpx.get(f"{server.base_url}/metrics", headers={"X-Forwarded-For": "203.0.113.9"})

    assert answer.status_code == status


# Request ids


def logged(server: Server, request_id: str) -> dict[str, Any]:
    """The log line of that request."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in server.printed().splitlines():
            if request_id in line:
                found: dict[str, Any] = json.loads(line)
                return found
        time.sleep(0.02)
    raise AssertionError(f"{request_id} is not in\n{server.printed()}")


@pytest.mark.parametrize("method", ["catalog.catalog.list", "no.such.method", "catalog.productImage.get"])
def test_the_id_in_the_answer_is_the_one_in_the_log(server: Server, http: httpx.Client, method: str) -> None:
    answer = http.post(f"{server.webhook_url}{method}")

    line = logged(server, answer.headers["x-request-id"])
    assert line["event"] == "request"
    assert line["method"] == "POST"
    assert line["status"] == answer.status_code
    assert line["ms"] > 0
    assert line["request_id"] == answer.headers["x-request-id"]


def test_an_error_is_logged_with_its_code_and_its_route(server: Server, http: httpx.Client) -> None:
    answer = http.post(f"{server.webhook_url}catalog.productImage.get", json={"productId": 1})

    line = logged(server, answer.headers["x-request-id"])
    assert line["route"] == "catalog.productImage.get"
    assert line["error"] == "100"


def test_the_callers_own_id_is_kept(server: Server, http: httpx.Client) -> None:
    answer = http.get("/healthz", headers={"X-Request-ID": "order-4711.retry_2"})

    assert answer.headers["x-request-id"] == "order-4711.retry_2"
    assert logged(server, "order-4711.retry_2")["status"] == 200


@pytest.mark.parametrize("unfit", ["", "a b", "x" * 65, 'a","level":"error', "<script>"])
def test_an_id_unfit_for_the_log_is_replaced(http: httpx.Client, unfit: str) -> None:
    answer = http.get("/healthz", headers={"X-Request-ID": unfit})

    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def test_no_two_requests_share_an_id(http: httpx.Client) -> None:
    ids = [http.get("/healthz").headers["x-request-id"] for _ in range(20)]

    assert len(set(ids)) == 20


# Memory


def pss_mb(pid: int) -> float:
    """Memory of the process, its share of what it shares included."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def test_memory_stays_small_over_five_hundred_requests(server: Server, http: httpx.Client) -> None:
    product = http.post(f"{server.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}})
    fields = {"productId": product.json()["result"]["element"]["id"]}
    picture = {"fields": fields, "fileContent": file_content(jpeg_of_size(200_000))}
    added: list[dict[str, Any]] = []
    for _ in range(50):
        answer = http.post(f"{server.webhook_url}catalog.productImage.add", json=picture)
        added.append(answer.json()["result"]["productImage"])
    for image in added:
        place = {"productId": image["productId"], "id": image["id"]}
        for _ in range(7):
            assert http.post(f"{server.webhook_url}catalog.productImage.get", json=place).status_code == 200
        assert len(http.get(image["downloadUrl"]).content) == 200_000
        assert len(http.get(image["detailUrl"]).content) == 200_000

    assert pss_mb(server.process.pid) < PSS_LIMIT_MB


# Bytes that are not what they should be


def test_bytes_that_end_too_early_break_the_answer_off_and_the_server_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        fields = {"iblockId": 1, "name": "Shirt"}
        product = httpx.post(f"{server.webhook_url}catalog.product.add", json={"fields": fields}).json()
        picture = {
            "fields": {"productId": product["result"]["element"]["id"]},
            "fileContent": file_content(jpeg_of_size(3_000_000)),
        }
        image = httpx.post(f"{server.webhook_url}catalog.productImage.add", json=picture).json()["result"]
        (file,) = (tmp_path / "data" / "blobs").glob("*/*")
        file.write_bytes(file.read_bytes()[:2_000_000])

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(image["productImage"]["downloadUrl"])

        assert httpx.get(f"{server.base_url}/readyz").status_code == 200
