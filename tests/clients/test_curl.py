"""The documentation's own cURL commands, with only the address replaced, against the sample catalogue."""

import json
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from build import vendor_sample
from pictures import double_png
from serving import Server, first_start

pytestmark = pytest.mark.needs("curl")

PLACE = "https://**put_your_bitrix24_address**/rest/**put_your_user_id_here**/**put_your_webhook_here**/"
"""How the pages write the address of a webhook."""

GET, LIST, DELETE = (
    f"""\
curl -X POST \\
-H "Content-Type: application/json" \\
-H "Accept: application/json" \\
-d '{values}' \\
{PLACE}catalog.productImage.{method}
"""
    for method, values in (
        ("get", '{"productId":1,"id":1}'),
        (
            "list",
            '{"productId":1,"select":["id","name","productId","type","createTime","downloadUrl","detailUrl"]}',
        ),
        ("delete", '{"productId":1,"id":1}'),
    )
)
ADD = f"""\
curl -X POST \\
-H "Content-Type: application/json" \\
-H "Accept: application/json" \\
-d '{{"fields":{{"productId":1,"type":"MORE_PHOTO"}},"fileContent":["test.jpeg","{vendor_sample()}"]}}' \\
{PLACE}catalog.productImage.add
"""
FIELDS = {"createTime", "detailUrl", "downloadUrl", "id", "name", "productId", "type"}


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Server]:
    with first_start(tmp_path / "data", "--demo") as running:
        yield running


def paste(server: Server, command: str) -> Any:
    """What the command answers with its address replaced by the server's."""
    command = command.replace(PLACE, server.webhook_url)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_get_list_add_and_delete_work_as_the_documentation_writes_them(server: Server) -> None:
    got = paste(server, GET)["result"]["productImage"]
    listed = paste(server, LIST)
    added = paste(server, ADD)["result"]["productImage"]
    listed_again = paste(server, LIST)
    deleted = paste(server, DELETE)
    gone = paste(server, GET)

    assert set(got) == FIELDS
    assert {name: got[name] for name in ("id", "name", "productId", "type")} == {
        "id": 1, "name": "test.jpeg", "productId": 1, "type": "MORE_PHOTO",
    }  # fmt: skip
    rows = listed["result"]["productImages"]
    assert set(listed) == {"result", "total", "time"}
    assert rows[0]["id"] == 1
    assert all(set(row) == FIELDS for row in rows)
    assert listed["total"] == len(rows)
    assert added["name"] == "test.jpeg"
    assert added["type"] == "MORE_PHOTO"
    assert listed_again["total"] == listed["total"] + 1
    assert deleted["result"] is True
    assert set(deleted) == {"result", "time"}
    assert gone == {"error": 0, "error_description": "Image with the specified identifier not found"}


def test_the_documentations_sample_comes_back_byte_for_byte(server: Server) -> None:
    added = paste(server, ADD)["result"]["productImage"]

    stored = httpx.get(added["downloadUrl"])

    assert vendor_sample().count("\u00ad") == 24
    assert len(stored.content) == 1092
    assert stored.content == double_png() == b64decode(vendor_sample().replace("\u00ad", ""))
    assert stored.headers["content-type"] == "image/png"
    assert stored.headers["content-disposition"] == 'attachment; filename="test.jpeg"'


def test_the_sample_catalogue_has_a_picture_behind_every_address(server: Server) -> None:
    for image in paste(server, LIST)["result"]["productImages"]:
        shown, saved = httpx.get(server.base_url + image["detailUrl"]), httpx.get(image["downloadUrl"])

        assert shown.headers["content-type"] == "image/jpeg"
        assert shown.content == saved.content
