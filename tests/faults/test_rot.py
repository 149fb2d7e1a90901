"""R8: one bit flipped in each of many originals: none of the small ones is ever shown, all are found, all repaired."""

import random
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
import msgspec
import pytest

import pictures
from build import Call, make_image, make_product
from moments import original_of, path_of, settled
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.services import scrub
from packshot.services.core import Core
from packshot.services.scrub import Scrubbed
from packshot.storage.blobs import BlobSettings

SEED = 20_261
LARGE = 2
"""How many of them have more than a megabyte."""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(settings, blobs=BlobSettings(mirror=str(tmp_path / "mirror")))


def flip(path: Path, chance: random.Random) -> None:
    """Turn one bit of a file around."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


async def answers(client: httpx.AsyncClient, addresses: Iterable[str]) -> list[tuple[int, bytes]]:
    found = [await client.get(address) for address in addresses]
    return [(answer.status_code, answer.content) for answer in found]


async def addresses_of(call: Call, product_id: int, made: Iterable[ProductImage], door: str) -> list[str]:
    got = [await call("catalog.productImage.get", {"productId": product_id, "id": image.id}) for image in made]
    return [answer["result"]["productImage"][door] for answer in got]


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.long)])
async def test_flipped_bits_are_found_never_shown_and_repaired(  # noqa: PLR0913 - what it looks at from all sides
    core: Core,
    admin: Principal,
    call: Call,
    client: httpx.AsyncClient,
    tmp_path: Path,
    *,
    capsys: pytest.CaptureFixture[str],
    count: int,
) -> None:
    chance = random.Random(SEED)
    product_id = await make_product(core, admin)
    sent = [pictures.png(2 + number, 3) for number in range(count - LARGE)]
    sent += [pictures.jpeg_of_size(1_500_000 + number) for number in range(LARGE)]
    made = [await make_image(core, admin, product_id, data) for data in sent]
    doors = [await addresses_of(call, product_id, made, door) for door in ("downloadUrl", "detailUrl")]
    shutil.copytree(tmp_path / "data" / "blobs", tmp_path / "copy")
    for image in made:
        flip(path_of(core, (await original_of(core, admin.account_id, image.id)).key), chance)

    small = [await answers(client, addresses[:-LARGE]) for addresses in doors]
    await settled(core)
    started = time.perf_counter()
    found = await scrub.run_once(core, lambda _: None)
    seconds = time.perf_counter() - started
    after = [await answers(client, addresses) for addresses in doors]
    (tmp_path / "copy").rename(tmp_path / "mirror")
    repaired = await scrub.run_once(core, lambda _: None)
    healed = [await answers(client, addresses) for addresses in doors]

    assert {status for some in (*small, *after) for status, _ in some} == {503}
    assert found == Scrubbed(blobs=count, corrupt=count)
    assert (repaired.corrupt, repaired.repaired) == (0, count)
    assert healed == [[(200, data) for data in sent]] * 2
    mb_s = sum(map(len, sent)) / seconds / 1e6
    with capsys.disabled():
        sys.stdout.write(f"\nrot, seed {SEED}: {count} flipped, {found.corrupt} found at {mb_s:.0f} MB/s, 0 shown, ")
        sys.stdout.write(f"{repaired.repaired} repaired\n")
