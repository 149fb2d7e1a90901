"""Bad weather in front of a real server: the examples of the how-to, and connections that really close."""

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from build import open_shop
from forking import run
from packshot import config
from serving import PACKSHOT, Server, dial, serving

HOW_TO = (Path(__file__).parent.parent.parent / "docs" / "how-to.md").read_text("utf-8")
SECTION = HOW_TO.partition("## Test your client against bad weather")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"```sh\n(.*?)```\n+(?:prints\n+)?```text\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data") as running:
        yield running


@pytest.mark.needs("curl")
def test_the_examples_of_the_how_to_print_what_it_says(server: Server, tmp_path: Path) -> None:
    shown = []
    for example, _ in EXAMPLES:
        commands = f"WEBHOOK={server.webhook_url}\n{example}".replace(".venv/bin/packshot", shlex.join(PACKSHOT))
        environment = {**os.environ, **server.environment}
        done = subprocess.run(
            ["bash", "-c", commands],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        shown.append(done.stdout)

    assert len(EXAMPLES) == 3
    assert shown == [printed for _, printed in EXAMPLES]
    failed = server.printed().count('"error":"QUERY_LIMIT_EXCEEDED"')
    assert failed == 1


async def test_the_settings_of_the_how_to_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = re.findall(r"^(PACKSHOT_\w+)='(.*)' \.venv", SECTION, re.MULTILINE)

    seen: list[list[int]] = []
    for name, value in settings:
        with monkeypatch.context() as environment:
            environment.setenv(name, value)
            taken = config.load(None)
        async with open_shop(tmp_path / str(len(seen)), taken) as shop:
            address = f"/rest/{shop.seed.user_id}/{shop.seed.webhook_code}/catalog.product.list"
            wanted = {"select": ["id", "iblockId"], "filter": {"iblockId": 1}}
            seen.append([(await shop.client.post(address, json=wanted)).status_code for _ in range(10)])

    assert seen == [[200] * 9 + [503], [401] * 10, [503] * 10]


def added(server: Server, name: str) -> int:
    """How many products of that name there are."""
    wanted = {"select": ["id", "iblockId"], "filter": {"iblockId": 1, "name": name}}
    answer = httpx.post(f"{server.webhook_url}catalog.product.list", json=wanted)
    return int(answer.json()["total"])


def test_a_dropped_call_ends_the_connection_without_a_byte_and_is_kept(tmp_path: Path) -> None:
    environment = {"PACKSHOT_FAULTS_RULES": "drop after commit on catalog.product.add"}
    content = json.dumps({"fields": {"iblockId": 1, "name": "Lost"}}).encode()
    with serving(tmp_path / "data", environment=environment) as server:
        path = server.webhook_url.removeprefix(server.base_url)
        with dial(server) as connection:
            connection.sendall(
                f"POST {path}catalog.product.add HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                + content
            )
            answered = connection.recv(1000)

        assert answered == b""
        assert added(server, "Lost") == 1
        printed = server.printed()

    assert "Exception" not in printed
    assert "ASGI" not in printed


def test_a_dropped_call_over_https_is_dropped_too(tmp_path: Path) -> None:
    environment = {"PACKSHOT_FAULTS_RULES": "drop after commit on catalog.catalog.list"}
    with serving(tmp_path / "data", "--tls-dev", environment=environment) as server:
        with httpx.Client(verify=False, base_url=server.webhook_url) as client:
            before = client.get("catalog.productImage.getFields").status_code
            with pytest.raises(httpx.TransportError):
                client.get("catalog.catalog.list")
            after = client.get("catalog.productImage.getFields").status_code
        printed = server.printed()

    assert (before, after) == (200, 200)
    assert "ASGI" not in printed


def test_a_rule_added_beside_a_running_server_holds_within_a_second(server: Server, tmp_path: Path) -> None:
    url = f"{server.webhook_url}catalog.catalog.list"
    assert httpx.get(url).status_code == 200

    assert run("fault", "add", "503", "--data", tmp_path / "data", environment=server.environment).returncode == 0
    time.sleep(1)
    failing = httpx.get(url).status_code
    assert run("fault", "clear", "--data", tmp_path / "data", environment=server.environment).returncode == 0
    time.sleep(1)

    assert (failing, httpx.get(url).status_code) == (503, 200)
    assert '"rules":["503"]' in server.printed()
