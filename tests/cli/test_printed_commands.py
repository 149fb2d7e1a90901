"""The five commands that the first start prints: each is run exactly as printed."""

import json
import re
import subprocess
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving import Server, first_start, serving

pytestmark = pytest.mark.needs("curl")

METHODS = ["catalog.product.add", *(f"catalog.productImage.{verb}" for verb in ("add", "list", "get", "delete"))]
IMAGE_FIELDS = {"createTime", "detailUrl", "downloadUrl", "id", "name", "productId", "type"}
TIME_FIELDS = {
    "start", "finish", "duration", "processing", "date_start", "date_finish", "operating_reset_at", "operating",
}  # fmt: skip


@pytest.fixture(
    params=[[], ["--demo"], ["--tls-dev"], ["--demo", "--tls-dev"]], ids=["plain", "demo", "tls", "demo-tls"]
)
def options(request: pytest.FixtureRequest) -> Any:
    return request.param


def commands_in(printed: str) -> list[str]:
    """The commands to paste, as they stand there: what begins with curl, up to the next empty line."""
    return [match[0] for match in re.finditer(r"^curl .*?(?=\n\n)", printed, re.MULTILINE | re.DOTALL)]


def paste(command: str, folder: Path) -> Any:
    """What a shell in some other folder answers to the command, decoded."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=folder, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def started(folder: Path, *options: str) -> AbstractContextManager[Server]:
    """The first start over a folder whose name has to be quoted."""
    return first_start(folder / "my data", *options)


def test_five_commands_are_printed_one_for_each_step(tmp_path: Path, options: list[str]) -> None:
    with started(tmp_path, *options) as server:
        commands = commands_in(server.printed())

    assert [re.findall(r"/(catalog\.[A-Za-z.]+)", command) for command in commands] == [[name] for name in METHODS]
    assert all(server.webhook_url in command for command in commands)


def test_the_printed_commands_work_as_printed(tmp_path: Path, options: list[str]) -> None:
    with started(tmp_path, *options) as server:
        product, added, listed, got, deleted = (paste(command, tmp_path) for command in commands_in(server.printed()))
        gone = paste(commands_in(server.printed())[3], tmp_path)

    element = product["result"]["element"]
    image = added["result"]["productImage"]
    assert element["name"] == "Blue shirt"
    assert element["iblockId"] == 1
    assert image["productId"] == element["id"]
    assert image["name"] == "shirt.png"
    assert image["type"] == "MORE_PHOTO"
    for shown in (image, got["result"]["productImage"], *listed["result"]["productImages"]):
        check_image(shown, server, image["id"])
    assert list(listed["result"]) == ["productImages"]
    assert len(listed["result"]["productImages"]) == listed["total"] == 1
    assert "next" not in listed
    assert deleted["result"] is True
    for answer in (product, added, listed, got, deleted):
        check_time(answer)
    assert gone == {"error": 0, "error_description": "Image with the specified identifier not found"}


def check_image(image: dict[str, Any], server: Server, image_id: int) -> None:
    """The documented shape of an image."""
    assert set(image) == IMAGE_FIELDS
    assert image["id"] == image_id
    assert datetime.fromisoformat(image["createTime"]).tzinfo
    assert re.fullmatch(r"/upload/iblock/[0-9a-f]{3}/[a-z0-9]{32}/shirt\.png", image["detailUrl"])
    download = urlsplit(image["downloadUrl"])
    assert f"{download.scheme}://{download.netloc}" == server.base_url
    assert download.path == "/rest/download.json"
    assert re.fullmatch(r"token=catalog%7C[A-Za-z0-9_.%-]+", download.query)


def check_time(answer: dict[str, Any]) -> None:
    """The documented shape of a successful answer."""
    assert set(answer) <= {"result", "total", "time"}
    assert set(answer["time"]) == TIME_FIELDS
    assert answer["time"]["start"] <= answer["time"]["finish"]
    assert datetime.fromisoformat(answer["time"]["date_start"]).tzinfo


def test_a_later_start_shows_no_code_and_says_how_to_get_one(tmp_path: Path) -> None:
    with started(tmp_path) as server:
        code = server.webhook_url.split("/")[-2]
    with serving(tmp_path / "my data", facts={"user_id": 1, "webhook_code": code}) as server:
        printed = server.printed()

    assert "/rest/1/<code>/" in printed
    assert code not in printed
    assert commands_in(printed) == []
    assert f"packshot webhook create --data '{tmp_path / 'my data'}'" in printed


def test_the_variables_printed_for_https_make_curl_trust_it(tmp_path: Path) -> None:
    with started(tmp_path, "--tls-dev") as server:
        exports = re.findall(r"^export .*$", server.printed(), re.MULTILINE)
        bare = re.sub(r"--cacert '[^']*' ", "", commands_in(server.printed())[2])

        answer = paste("\n".join([*exports, bare]), tmp_path)

    assert [line.split("=")[0] for line in exports] == [
        "export REQUESTS_CA_BUNDLE", "export SSL_CERT_FILE", "export NODE_EXTRA_CA_CERTS", "export CURL_CA_BUNDLE",
    ]  # fmt: skip
    assert "--cacert" not in bare
    assert answer["error_description"] == "Product with the specified identifier not found"


def test_without_trust_the_certificate_is_refused(tmp_path: Path) -> None:
    with started(tmp_path, "--tls-dev") as server:
        command = ["curl", "-sS", f"{server.base_url}/healthz"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 60
