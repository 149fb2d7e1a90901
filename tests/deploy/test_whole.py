"""What compose.yaml puts together, as processes of this machine: its commands and variables, at other addresses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import postgres
from bucket import free_port
from build import file_content
from deployed import HOST, composed, nginx, prepared
from pictures import png
from serving import PACKSHOT

pytestmark = [pytest.mark.needs(program) for program in ("nginx", "yq", "openssl")]

PATIENCE_S = 60
PICTURE = png(40, 20)


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path, ready: str) -> Iterator[Any]:
    """The process, once it says at *ready* that it is."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **environment}, text=True)
    try:
        end = time.monotonic() + PATIENCE_S
        while not _is_ready(ready):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < end, log.read_text("utf-8")
            time.sleep(0.05)
        yield process
    finally:
        process.kill()  # SeaweedFS would take its time
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _seaweedfs(service: Mapping[str, Any], folder: Path) -> Iterator[str]:
    folder.mkdir()
    port = free_port()
    here = {"-dir=/data": f"-dir={folder}", "-s3.ip.bind=0.0.0.0": "-s3.ip.bind=127.0.0.1"}
    here |= {"-s3.port=8333": f"-s3.port={port}"}
    assert here.keys() <= set(service["command"])
    ports = [f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")]
    ports += [f"-{part}.port.grpc={free_port()}" for part in ("master", "volume", "filer", "s3")]
    command = [str(Path(sys.executable).with_name("weed")), *(here.get(word, word) for word in service["command"])]
    log, ready = folder.with_suffix(".log"), f"http://127.0.0.1:{port}/readyz"
    with _running([*command, *ports], service["environment"], log, ready):
        yield f"http://127.0.0.1:{port}"


def test_two_nodes_serve_one_store_and_one_of_them_may_die(tmp_path: Path) -> None:
    content = composed(prepared(tmp_path))
    services = content["services"]
    with ExitStack() as opened:
        endpoint = opened.enter_context(_seaweedfs(services["seaweedfs"], tmp_path / "weed"))
        environment = services["node1"]["environment"] | {
            "PACKSHOT_DATABASE_URL": postgres.new(),
            "PACKSHOT_KEYS_FILE": str(tmp_path / content["secrets"]["secret.key"]["file"]),
            "PACKSHOT_SERVER_TRUSTED_PROXIES": "127.0.0.1",
            "AWS_ENDPOINT_URL": endpoint,
        }
        init = [*PACKSHOT, "init", "--data", str(tmp_path / "node1"), "--json"]
        facts = json.loads(subprocess.check_output(init, env={**os.environ, **environment}))
        nodes, processes = [], []
        for name in ("node1", "node2"):
            port, data = free_port(), str(tmp_path / name)
            own = environment | {"PACKSHOT_DATA": data, "PACKSHOT_HOST": "127.0.0.1", "PACKSHOT_PORT": str(port)}
            ready = f"http://127.0.0.1:{port}/readyz"
            processes.append(opened.enter_context(_running([*PACKSHOT, "serve"], own, tmp_path / f"{name}.log", ready)))
            nodes.append(f"127.0.0.1:{port}")
        client = opened.enter_context(nginx(tmp_path / "nginx", tmp_path, nodes)).client

        before = [_shown(client, facts, number) for number in range(4)]
        address = before[0].request.url.raw_path.decode()
        direct = [httpx.get(f"http://{node}{address}", headers={"host": HOST}, trust_env=False) for node in nodes]
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        after = [_shown(client, facts, number) for number in range(4, 8)]

    assert {(answer.status_code, answer.content) for answer in before + direct + after} == {(200, PICTURE)}
    assert facts["base_url"] == f"https://{HOST}"


def _shown(client: httpx.Client, facts: Mapping[str, Any], number: int) -> httpx.Response:
    """A new picture of a new product, as everybody gets it."""
    hook = f"/rest/{facts['user_id']}/{facts['webhook_code']}"
    product: dict[str, Any] = {"fields": {"iblockId": 1, "name": f"product {number}"}}
    made = client.post(f"{hook}/catalog.product.add", json=product).json()["result"]["element"]
    fields = {"productId": made["id"], "type": "MORE_PHOTO"}
    new = {"fields": fields, "fileContent": file_content(PICTURE, "dunes.png")}
    image = client.post(f"{hook}/catalog.productImage.add", json=new).json()["result"]["productImage"]
    return client.get(image["detailUrl"])
