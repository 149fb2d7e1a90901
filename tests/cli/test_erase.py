"""`packshot erase`: neither a running server nor any file of the store knows afterwards what is gone."""

import atexit
import os
import pty
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from build import make_image, make_product
from forking import run
from packshot import config
from packshot.cli.common import with_core
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.services import images, restoring, setup
from packshot.services.core import Core
from packshot.storage.folder import DATABASE
from pictures import png
from serving import PACKSHOT, Server, init, new_store, serving

NAME = "anna-on-the-beach.png"
MARK = b"nothing else has these bytes"
PICTURE = png(40, 30) + MARK
CLIENT = httpx.Client(timeout=30)
atexit.register(CLIENT.close)


def erase(folder: Path, *words: str) -> list[str]:
    done = run("erase", *words, "--yes", "--data", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def call(server: Server, method: str, params: dict[str, Any], status: int = 200) -> Any:
    answer = CLIENT.post(f"{server.webhook_url}{method}", json=params)
    assert answer.status_code == status, answer.text
    return answer.json().get("result")


def status(server: Server, address: str) -> int:
    return CLIENT.get(httpx.URL(server.base_url).join(address)).status_code


def ask(server: Server, method: str, body: dict[str, Any]) -> Any:
    keys = {name: str(server.facts[name]) for name in ("web_api_key", "app_key")}
    answer = CLIENT.post(f"{server.base_url}/v3/{method}", headers=keys, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def make(server: Server, data: bytes = PICTURE) -> tuple[dict[str, Any], dict[str, Any]]:
    """An image of a product, as both protocols show it, with its rendition made."""
    product = call(server, "catalog.product.add", {"fields": {"iblockId": 1, "name": "Towel"}})["element"]["id"]
    content = [NAME, b64encode(data).decode()]
    fields = {"productId": product, "type": "MORE_PHOTO"}
    image = call(server, "catalog.productImage.add", {"fields": fields, "fileContent": content})["productImage"]
    (listed,) = [one for one in ask(server, "list_images", {})["images"] if one["id"] == image["id"]]
    assert status(server, listed["public_preview_uri"]) == 200
    return image, listed


def stored(folder: Path) -> ProductImage:
    """An image of a product, made without a server."""

    async def add(core: Core) -> ProductImage:
        owner = Principal(1, 1, "administrator", setup.SCOPES, 0)
        return await make_image(core, owner, await make_product(core, owner), PICTURE, name=NAME)

    return with_core(folder, config.load(None), add)


def telling(folder: Path, *words: str) -> list[str]:
    """The files of a store that have any of these words, or the picture's bytes, in them."""
    wanted = [MARK, *(word.encode() for word in words)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in path.read_bytes() for word in wanted)]


def gone(answered: Callable[[], int], *wanted: int) -> bool:
    """Whether it is answered so once the second is over for which a server may remember."""
    end = time.monotonic() + 5
    while answered() not in wanted and time.monotonic() < end:
        time.sleep(0.1)
    return answered() in wanted


def test_no_server_and_no_file_knows_images_that_were_erased(folder: Path) -> None:
    with serving(folder, "--record", facts=new_store(folder)) as server:
        shown, thrown = make(server), make(server, png(30, 20) + MARK)
        call(server, "catalog.productImage.delete", {"id": thrown[0]["id"], "productId": thrown[0]["productId"]})
        known = [shown[0]["detailUrl"], shown[0]["downloadUrl"]]
        assert [status(server, address) for address in known] == [200] * 2
        CLIENT.get(f"{server.base_url}/readyz")  # with which all calls are kept that came before
        words = [NAME, shown[1]["guid"], thrown[1]["guid"]]
        told = telling(folder, *words)

        printed = [erase(folder, "image", listed["guid"]) for _, listed in (shown, thrown)]

        assert telling(folder, *words) == []
        assert [status(server, address) for address in known] == [404] * 2
        for image, listed in (shown, thrown):
            assert gone(partial(status, server, listed["public_preview_uri"]), 404)
            call(server, "catalog.productImage.get", {"id": image["id"], "productId": image["productId"]}, 400)
        assert ask(server, "list_images", {})["images"] == []
    assert "calls.jsonl" in told
    assert {"packshot.sqlite3", "packshot.sqlite3-wal"} & set(told)
    assert len(told) >= 3
    for lines in printed:
        assert {"erased  images: 1", "erased  originals: 1"} <= set(lines)
        assert any(line.startswith("erased  renditions: ") for line in lines)
    assert any(line.startswith("erased  recorded calls: ") for line in printed[0])
    assert run("verify", "--full", "--data", folder).returncode == 0


def test_without_a_server_an_image_goes_by_its_id_and_a_second_time_nothing_is_found(
    folder: Path, tmp_path: Path
) -> None:
    image = stored(folder)
    run("backup", tmp_path / "backups", "--data", folder)

    printed = erase(folder, "image", str(image.id))
    again = run("erase", "image", image.guid, "--yes", "--data", folder)

    assert telling(folder, NAME, image.guid, image.address) == []
    assert sum(line.startswith("mind  Snapshot ") and line.endswith(" holds it") for line in printed) == 1
    assert printed[-1].endswith(f"packshot backup {tmp_path}/backups --keep 1 --data {folder}")
    assert again.returncode == 2
    assert f"there is no image {image.guid} in account main, nor in its trash" in again.stderr
    assert "holds it" in again.stdout


def test_what_was_given_up_goes_out_of_the_log(folder: Path) -> None:
    image = stored(folder)
    with_core(folder, config.load(None), partial(give_up, image=image))

    unasked = run("erase", "image", image.guid, "--data", folder)
    printed = erase(folder, "image", image.guid)

    assert f"image {image.id}, {image.guid}, {NAME}, given up, in the audit log alone" in unasked.stderr
    assert "erased  lines of the audit log blanked: 3" in printed
    assert "mind  it had been given up: upkeep deletes its bytes within 26 hours of that" in printed
    assert not any(line.startswith("erased  images") for line in printed)
    names = (NAME.encode(), image.guid.encode())
    assert not any(name in (folder / DATABASE).read_bytes() for name in names)


async def give_up(core: Core, image: ProductImage) -> None:
    owner = Principal(1, 1, "administrator", setup.SCOPES, 0)
    await images.remove_from_product(core, owner, image.product_id, image.id)
    await restoring.purge(core, owner, 1)


def test_an_account_goes_beside_a_server_and_can_be_made_anew(folder: Path) -> None:
    with serving(folder, "--record", facts=new_store(folder)) as server:
        image, listed = make(server)
        other = run("account", "create", "second", "--data", folder).stdout.strip()

        printed = erase(folder, "account", "main")

        assert telling(folder, NAME, listed["guid"], str(server.facts["account_key"])) == []
        assert status(server, image["detailUrl"]) == 404
        assert gone(lambda: status(server, f"{server.webhook_url}catalog.catalog.list"), 401)
        keys = {name: str(server.facts[name]) for name in ("web_api_key", "app_key")}
        listing = f"{server.base_url}/v3/list_images"
        assert gone(lambda: CLIENT.post(listing, headers=keys, json={}).status_code, 400, 401)
        assert status(server, image["downloadUrl"]) in {401, 403, 404}
        assert status(server, f"{other}catalog.catalog.list") == 200
    made = run("account", "create", "main", "--data", folder)
    kept = run("audit", "--account", "1", "--data", folder).stdout.splitlines()
    assert printed[-1].endswith(f"packshot audit --account 1 --data {folder}")
    assert [line.split(" ", 2)[2].partition(":")[0] for line in kept] == [
        "erased the account", f"added image {image['id']} of product {image['productId']}"
    ]  # fmt: skip
    assert {"erased  users: 1", "erased  images: 1", "erased  originals: 1"} <= set(printed)
    assert (made.returncode, made.stdout[:8]) == (0, "/rest/3/")


def test_a_store_whose_only_account_was_erased_begins_anew(folder: Path) -> None:
    erase(folder, "account", "main")
    absent = run("erase", "account", "main", "--yes", "--data", folder)
    facts = init(folder)

    assert (absent.returncode, absent.stdout) == (2, "")
    assert absent.stderr == "packshot: there is no account main: `packshot account list` shows what there is\n"
    assert facts["user_id"] == 2
    with serving(folder, facts=facts) as server:
        assert call(server, "catalog.catalog.list", {})["catalogs"][0]["id"] == 3
        assert "/rest/2/<code>/" in server.printed()
    assert run("webhook", "create", "--data", folder).stdout.startswith("/rest/2/")


def typed(folder: Path, guid: str, text: str) -> tuple[int, str]:
    """What the command does when that is typed at a terminal."""
    ours, theirs = pty.openpty()
    command = [*PACKSHOT, "erase", "image", guid, "--data", str(folder)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        os.write(ours, f"{text}\n".encode())
        printed, errors = process.communicate(timeout=30)
    os.close(ours)
    return process.returncode, printed + errors


def test_it_asks_for_the_name_and_does_nothing_for_another_one(folder: Path) -> None:
    guid = stored(folder).guid

    unasked = run("erase", "image", guid, "--data", folder)
    refused = typed(folder, guid, "yes")
    done = typed(folder, guid, guid.upper())

    assert unasked.returncode == 2
    assert "Say --yes where nobody can be asked" in unasked.stderr
    assert refused[0] == 2
    assert f"that is not {guid}: nothing was erased" in refused[1]
    assert done[0] == 0
    assert "erased  images: 1" in done[1]
