"""Of a picture whose reader hangs up, the rest is not read."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from build import file_content
from pictures import jpeg_of_size
from serving import Server, dial, serving

READERS, SIZE_BYTES = 20, 12_000_000


def read_bytes(server: Server) -> int:
    """How much the server has read so far, from files and elsewhere."""
    found = re.match(r"rchar: (\d+)", Path(f"/proc/{server.process.pid}/io").read_text())
    assert found
    return int(found[1])


@pytest.mark.parametrize("door", ["downloadUrl", "detailUrl"])
def test_who_hangs_up_costs_no_more_than_what_was_under_way(tmp_path: Path, door: str) -> None:
    with serving(tmp_path / "data", environment={"PACKSHOT_ORIGINALS_PRIVACY": "keep"}) as server:
        product = httpx.post(
            f"{server.webhook_url}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}}
        )
        product_id = product.json()["result"]["element"]["id"]
        picture = file_content(jpeg_of_size(SIZE_BYTES), "shirt.jpg")
        new = {"fields": {"productId": product_id, "type": "MORE_PHOTO"}, "fileContent": picture}
        added = httpx.post(f"{server.webhook_url}catalog.productImage.add", json=new, timeout=30)
        path = urlsplit(added.json()["result"]["productImage"][door])
        before = read_bytes(server)

        for _ in range(READERS):
            with dial(server) as connection:
                connection.sendall(f"GET {path.path}?{path.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert connection.recv(12) == b"HTTP/1.1 200"
        whole = httpx.get(f"{server.base_url}{path.path}?{path.query}")

        assert len(whole.content) == SIZE_BYTES
        assert read_bytes(server) - before < READERS * SIZE_BYTES / 2
        assert "Exception" not in server.printed()
        assert "without completing" not in server.printed()
