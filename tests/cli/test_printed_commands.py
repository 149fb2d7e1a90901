"""The commands that the first start prints: each is run exactly as printed."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from packshot.services.samples import PRINTS
from serving import Server, first_start, serving

pytestmark = pytest.mark.needs("curl")

METHODS = ["catalog.product.add", *(f"catalog.productImage.{verb}" for verb in ("add", "list", "get", "delete"))]
IMAGE_FIELDS = {"createTime", "detailUrl", "downloadUrl", "id", "name", "productId", "type"}
SUCCESS = {"success": True, "status_code": 200, "message": "", "debug": None}
TIME_FIELDS = {
    "start", "finish", "duration", "processing", "date_start", "date_finish", "operating_reset_at", "operating",
}  # fmt: skip


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


class First(msgspec.Struct):
    """A server at its first start, and a folder to paste commands in."""

    server: Server
    folder: Path
    demo: bool

    def paste(self, numbers: slice) -> list[Any]:
        """What the commands of these numbers answer."""
        return [paste(command, self.folder) for command in commands_in(self.server.printed())[numbers]]


@pytest.fixture(
    params=[[], ["--demo"], ["--tls-dev"], ["--demo", "--tls-dev"]],
    ids=["plain", "demo", "tls", "demo-tls"],
    scope="module",
)
def first(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    folder = tmp_path_factory.mktemp("first")
    with started(folder, *request.param) as server:
        yield First(server, folder, "--demo" in request.param)


def test_five_commands_are_printed_one_for_each_step_and_those_of_the_library(first: First) -> None:
    server, commands = first.server, commands_in(first.server.printed())

    library = ["list_images", "delete_images"] if first.demo else ["list_images"]
    methods = [re.findall(r"/(catalog\.[A-Za-z.]+|(?<=v3/)\w+)", command) for command in commands]
    assert methods == [[name] for name in METHODS + library]
    assert all(server.webhook_url in command for command in commands[:5])
    assert all(f"{server.base_url}/v3/" in command for command in commands[5:])


def test_the_printed_commands_work_as_printed(first: First) -> None:
    product, added, listed, got, deleted = first.paste(slice(5))
    (gone,) = first.paste(slice(3, 4))

    element = product["result"]["element"]
    image = added["result"]["productImage"]
    assert element["name"] == "Blue shirt"
    assert element["iblockId"] == 1
    assert image["productId"] == element["id"]
    assert image["name"] == "shirt.png"
    assert image["type"] == "MORE_PHOTO"
    for shown in (image, got["result"]["productImage"], *listed["result"]["productImages"]):
        check_image(shown, first.server, image["id"])
    assert list(listed["result"]) == ["productImages"]
    assert len(listed["result"]["productImages"]) == listed["total"] == 1
    assert "next" not in listed
    assert deleted["result"] is True
    for answer in (product, added, listed, got, deleted):
        check_time(answer)
    assert gone == {"error": 0, "error_description": "Image with the specified identifier not found"}


def test_the_printed_commands_of_the_library_work_as_printed(first: First) -> None:
    before, *done = first.paste(slice(5, None))
    (after,) = first.paste(slice(5, 6))

    assert [answer["status"] for answer in (before, *done, after)] == [SUCCESS] * (2 + len(done))
    guids = [one.guid for one in reversed(PRINTS)] if first.demo else []
    assert [image["guid"] for image in before["images"]][: len(PRINTS)] == guids
    assert [len(image["products"]) for image in before["images"]][: len(PRINTS)] == [1] * len(guids)
    assert before["count"] - after["count"] == len(guids) == 2 * len(done)


def test_a_picture_of_the_demo_is_printed_to_be_looked_at(first: First) -> None:
    urls = re.findall(r"http\S+/card/\S+", first.server.printed())

    assert len(urls) == first.demo
    for url in urls:
        answer = httpx.get(url, verify=False, headers={"Accept": "image/webp"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")


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
