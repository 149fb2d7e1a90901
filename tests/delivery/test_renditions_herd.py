"""Many who want the same rendition at once, at the door of a real server."""

import asyncio
from pathlib import Path

import httpx

import pictures
import scenes
from build import file_content
from serving import serving_with

NOTES = """
import sys
from pathlib import Path
from packshot.imaging.pool import Workers

real = Workers.render

async def render(self, job, source, digest):
    with Path(sys.argv[1], "rendered").open("a") as notes:
        notes.write(job.spec.format + " ")
    return await real(self, job, source, digest)

Workers.render = render
"""
"""Writes down what is rendered."""


async def test_a_hundred_clients_of_whom_half_hang_up_are_one_rendering(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    data = pictures.encoded(scenes.still_life(2400, 1600), "PNG", compress_level=1)
    with serving_with(folder, NOTES) as server:
        async with httpx.AsyncClient(base_url=server.base_url, limits=httpx.Limits(max_connections=None)) as client:
            place = server.webhook_url
            made = await client.post(f"{place}catalog.product.add", json={"fields": {"iblockId": 1, "name": "Shirt"}})
            image = {"productId": made.json()["result"]["element"]["id"], "type": "MORE_PHOTO"}
            wanted = {"fields": image, "fileContent": file_content(data)}
            added = await client.post(f"{place}catalog.productImage.add", json=wanted)
            key = added.json()["result"]["productImage"]["detailUrl"].split("/")[4]
            address = f"/i/{key}/preview.webp/shirt.webp"

            asking = [asyncio.create_task(client.get(address)) for _ in range(100)]
            await asyncio.sleep(0.05)
            for request in asking[::2]:
                request.cancel()
            answers = await asyncio.gather(*asking[1::2])
            again = await client.get(address)

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {again.content}
    assert (folder / "rendered").read_text() == "webp "
