"""The two addresses of an image: decisions 7, 30 and 40, and rows 22 and 23 of the sheet's section 13."""

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import pictures
from build import Call, Clock, file_content, make_image
from packshot.config import ServerSettings, Settings
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.services import access
from packshot.services import pictures as pictures_service
from packshot.services.core import DAY_S, Core, DeliverySettings, DownloadSettings
from packshot.services.pictures import Change
from packshot.services.setup import Seed

GET = "catalog.productImage.get"
PICTURE = pictures.png()
APART = Settings(delivery=DeliverySettings(base_url="https://cdn.example"))
PUBLIC = Settings(server=ServerSettings(public_url="https://Pictures.example:8443"))
FORGED = {"error": "INVALID_CREDENTIALS", "error_description": "Invalid request credentials"}
EXPIRED = {"error": "expired_token", "error_description": "The access token provided has expired"}


@pytest.fixture
async def shown(call: Call, product: int, image: ProductImage) -> dict[str, Any]:
    """The image as productImage.get shows it."""
    answer = await call(GET, {"productId": product, "id": image.id})
    fields: dict[str, Any] = answer["result"]["productImage"]
    return fields


def tampered(token: str) -> Iterator[str]:
    """The token with every one of its characters changed in turn, shortened, lengthened and taken apart."""
    for at, character in enumerate(token):
        yield token[:at] + ("B" if character == "A" else "A") + token[at + 1 :]
    yield from (token[:-1], token + "A", token + "=", token[:-1] + "!" + token[-1], token.swapcase(), " " + token)
    module, *rest = token.split("|")
    yield from (
        "|".join([module, *reversed(rest)]),
        "|".join(["disk", *rest]),
        "|".join(rest),
        "|".join([module, rest[0], ""]),
    )


# The download link


async def test_row_22_a_download_link_has_the_documented_anatomy_and_no_secret(
    shown: dict[str, Any], seed: Seed, image: ProductImage
) -> None:
    match = re.fullmatch(
        r"http://shop\.test/rest/download\.json\?token=catalog%7C([\w-]+)%7C[\w-]{32}", shown["downloadUrl"]
    )

    assert match
    claims = urlsafe_b64decode(match[1])
    assert int.from_bytes(claims[1:9], "big") == image.id
    assert seed.webhook_code.encode() not in shown["downloadUrl"].encode() + claims


async def test_row_22_a_link_given_earlier_works_beside_a_new_one(
    call: Call, client: httpx.AsyncClient, shown: dict[str, Any], clock: Clock
) -> None:
    clock.advance(60)

    again = (await call(GET, {"productId": shown["productId"], "id": shown["id"]}))["result"]["productImage"]

    assert again["detailUrl"] == shown["detailUrl"]
    for url in (again["downloadUrl"], shown["downloadUrl"]):
        assert (await client.get(url)).content == PICTURE


@pytest.mark.parametrize("path", ["/rest/download.json", "/rest/download", "//rest//download.json/"])
async def test_a_download_link_is_found_under_every_form_of_its_path(
    path: str, client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    answer = await client.get("http://shop.test" + path + "?" + shown["downloadUrl"].partition("?")[2])

    assert answer.content == PICTURE


async def test_decision_7_a_forged_link_is_a_403(client: httpx.AsyncClient, shown: dict[str, Any]) -> None:
    token = httpx.URL(shown["downloadUrl"]).params["token"]
    let_through = []

    for wrong in tampered(token):
        answer = await client.get("/rest/download.json", params={"token": wrong})
        if answer.status_code != 403 or answer.json() != FORGED:
            let_through.append((wrong, answer.status_code))

    assert let_through == []


@pytest.mark.parametrize("query", ["", "?token", "?token=", "?token=%ff%00", "?token=catalog|a|b.c", "?token=é|é|é.é"])
async def test_decision_7_a_link_without_a_readable_token_is_a_403(
    query: str, client: httpx.AsyncClient, seed: Seed
) -> None:
    del seed

    answer = await client.get(f"/rest/download.json{query}")

    assert (answer.status_code, answer.json()) == (403, FORGED)


async def test_decision_7_a_link_of_another_store_is_a_403(
    client: httpx.AsyncClient, core: Core, shown: dict[str, Any]
) -> None:
    keys: Any = core.signing_keys
    keys[max(keys)] = bytes(32)

    answer = await client.get(shown["downloadUrl"])

    assert (answer.status_code, answer.json()) == (403, FORGED)


async def test_decision_7_a_webhooks_link_lives_seven_days(
    client: httpx.AsyncClient, shown: dict[str, Any], clock: Clock
) -> None:
    clock.advance(7 * DAY_S)
    at_the_end = await client.get(shown["downloadUrl"])
    clock.advance(1)

    expired = await client.get(shown["downloadUrl"])

    assert at_the_end.status_code == 200
    assert (expired.status_code, expired.json()) == (401, EXPIRED)


@pytest.mark.parametrize("settings", [Settings(downloads=DownloadSettings(webhook_ttl_s=2**62))], ids=["for ever"])
async def test_a_lifetime_longer_than_a_link_can_name_ends_where_that_ends(
    client: httpx.AsyncClient, shown: dict[str, Any], clock: Clock
) -> None:
    clock.now = 2**32 - 1
    assert (await client.get(shown["downloadUrl"])).content == PICTURE
    clock.now = 2**32

    assert (await client.get(shown["downloadUrl"])).status_code == 401


@pytest.mark.parametrize("settings", [Settings(downloads=DownloadSettings(webhook_ttl_s=60))], ids=["a minute"])
async def test_decision_7_the_life_of_links_is_a_setting(
    client: httpx.AsyncClient, shown: dict[str, Any], clock: Clock
) -> None:
    clock.advance(61)

    expired = await client.get(shown["downloadUrl"])

    assert (expired.status_code, expired.json()) == (401, EXPIRED)


async def test_decision_7_a_link_dies_with_its_image(
    call: Call, client: httpx.AsyncClient, shown: dict[str, Any], core: Core, admin: Principal
) -> None:
    await make_image(core, admin, shown["productId"], PICTURE)
    await call("catalog.productImage.delete", {"productId": shown["productId"], "id": shown["id"]})

    answer = await client.get(shown["downloadUrl"])
    public = await client.get(shown["detailUrl"])

    assert answer.status_code == 404
    assert answer.json().keys() == {"error", "error_description"}
    assert public.status_code == 404


async def test_decision_7_a_link_dies_with_its_product(
    call: Call, client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    await call("catalog.product.delete", {"id": shown["productId"]})

    assert (await client.get(shown["downloadUrl"])).status_code == 404
    assert (await client.get(shown["detailUrl"])).status_code == 404


async def test_decision_7_a_link_dies_with_the_webhook_that_asked_for_it(
    client: httpx.AsyncClient, core: Core, seed: Seed, shown: dict[str, Any]
) -> None:
    await core.db.write(lambda tx: tx.run("DELETE FROM webhook WHERE id = ?1", seed.webhook_id))

    answer = await client.get(shown["downloadUrl"])

    assert (answer.status_code, answer.json()) == (403, FORGED)


async def test_decision_7_a_link_dies_when_its_webhook_expires(
    client: httpx.AsyncClient, core: Core, seed: Seed, image: ProductImage, clock: Clock
) -> None:
    code = await access.create_webhook(core, "main", seed.user_id, frozenset({"catalog"}), expires_in_s=60)
    place = {"productId": image.product_id, "id": image.id}
    shown = (await client.post(f"/rest/{seed.user_id}/{code}/{GET}", json=place)).json()["result"]["productImage"]
    before = await client.get(shown["downloadUrl"])
    clock.advance(60)

    after = await client.get(shown["downloadUrl"])

    assert before.status_code == 200
    assert (after.status_code, after.json()) == (403, FORGED)


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_a_download_link_is_only_read(verb: str, client: httpx.AsyncClient, shown: dict[str, Any]) -> None:
    answer = await client.request(verb, shown["downloadUrl"])

    assert answer.status_code == 405
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.headers["allow"] == "GET, HEAD"


# The public address


async def test_row_23_the_detail_url_is_the_documented_root_relative_path(shown: dict[str, Any]) -> None:
    assert re.fullmatch(r"/upload/iblock/[0-9a-f]{3}/[0-9a-z]{32}/shirt\.png", shown["detailUrl"])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda path: path[:-20] + ("y" if path[-20] == "x" else "x") + path[-19:],
        lambda path: path.replace("/iblock/", "/iblock/0/"),
        lambda path: path.rpartition("/")[0][:-1],
        lambda _: "/upload/iblock/",
        lambda _: "/upload/iblock/%2e%2e/%2e%2e/packshot.db",
    ],
)
async def test_row_23_only_the_whole_address_leads_to_the_picture(
    wrong: Callable[[str], str], client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    answer = await client.get(wrong(shown["detailUrl"]))

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_decision_30_a_change_of_how_it_is_shown_makes_a_new_address_beside_the_old_one(
    call: Call, client: httpx.AsyncClient, shown: dict[str, Any], core: Core, admin: Principal, image: ProductImage
) -> None:
    place = {"productId": shown["productId"], "id": shown["id"]}

    for how in (Change(image.guid, focus=(0.1, 0.2)), Change(image.guid, privacy="keep")):
        await pictures_service.change(core, admin, [how])
    again = (await call(GET, place))["result"]["productImage"]
    (listed,) = (await call("catalog.productImage.list", {"productId": shown["productId"]}))["result"]["productImages"]

    assert again["detailUrl"] == shown["detailUrl"].replace("/shirt.png", "-3/shirt.png")
    assert listed["detailUrl"] == again["detailUrl"]
    for version in ("", "-2", "-3"):
        address = shown["detailUrl"].replace("/shirt.png", f"{version}/shirt.png")
        assert (await client.get(address)).content == PICTURE
    assert (await client.get(again["detailUrl"].replace("-3/", "-4/"))).status_code == 404
    assert (await client.get(again["downloadUrl"])).content == PICTURE


@pytest.mark.parametrize("settings", [APART], ids=["base_url"])
async def test_pictures_on_a_host_of_their_own_have_absolute_addresses_and_downloads_stay_with_the_api(
    call: Call, client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    file = {"fileData": file_content(PICTURE)}
    fields = {"iblockId": 1, "name": "Shirt", "detailPicture": file, "property1077": [{"value": file}]}

    element = (await call("catalog.product.add", {"fields": fields}))["result"]["element"]

    assert re.fullmatch(r"https://cdn\.example/upload/iblock/[0-9a-f]{3}/[0-9a-z]{32}/shirt\.png", shown["detailUrl"])
    assert (await client.get(shown["detailUrl"])).content == PICTURE
    assert shown["downloadUrl"].startswith("http://shop.test/rest/")
    files = [element["detailPicture"], *(one["value"] for one in element["property1077"])]
    assert all(file["url"].startswith("/rest/catalog.product.download?") for file in files)


# Decision 30


async def test_decision_30_a_public_address_is_inline_cacheable_and_open_to_other_origins(
    client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    answer = await client.get(shown["detailUrl"])

    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["content-disposition"] == 'inline; filename="shirt.png"'
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_decision_30_a_download_is_an_attachment_for_nobodys_cache(
    client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    answer = await client.get(shown["downloadUrl"])

    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["content-disposition"] == 'attachment; filename="shirt.png"'
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("address", ["detailUrl", "downloadUrl"])
async def test_decision_30_bytes_are_named_by_their_digest_and_kept_harmless(
    address: str, client: httpx.AsyncClient, shown: dict[str, Any]
) -> None:
    answer = await client.get(shown[address])
    head = await client.head(shown[address])
    part = await client.get(shown[address], headers={"range": "bytes=1-3"})
    same = await client.get(shown[address], headers={"if-none-match": answer.headers["etag"]})

    assert answer.headers["etag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert "set-cookie" not in answer.headers
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PICTURE)))
    assert (part.status_code, part.content) == (206, PICTURE[1:4])
    assert (same.status_code, same.content) == (304, b"")


# Decision 40


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1:8080", "[::1]:9000", "localhost"])
async def test_links_are_built_from_the_host_that_was_asked(
    host: str, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    place = {"productId": image.product_id, "id": image.id}

    answer = await client.post(hook + GET, json=place, headers={"host": host})

    assert answer.json()["result"]["productImage"]["downloadUrl"].startswith(f"http://{host}/rest/download.json?")


@pytest.mark.parametrize("host", ["evil.test/path?", 'a"b', "a b", "user@evil.test", ""])
async def test_a_host_that_is_none_never_gets_into_a_link(
    host: str, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    place = {"productId": image.product_id, "id": image.id}

    answer = await client.post(hook + GET, json=place, headers={"host": host})

    assert "evil" not in answer.json()["result"]["productImage"]["downloadUrl"]


@pytest.mark.parametrize("settings", [PUBLIC], ids=["public_url"])
async def test_decision_40_links_are_built_from_the_public_address(
    client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    place = {"productId": image.product_id, "id": image.id}

    answer = await client.post(hook + GET, json=place, headers={"host": "pictures.example:8443"})
    url = answer.json()["result"]["productImage"]["downloadUrl"]

    assert url.startswith("https://Pictures.example:8443/rest/download.json?")


@pytest.mark.parametrize("settings", [PUBLIC], ids=["public_url"])
@pytest.mark.parametrize("host", ["shop.test", "pictures.example", "evil.pictures.example:8443", ""])
async def test_decision_40_other_hosts_are_refused_in_the_protocols_words(
    host: str, client: httpx.AsyncClient, hook: str
) -> None:
    answer = await client.post(f"{hook}catalog.catalog.list", headers={"host": host})

    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json().keys() == {"error", "error_description"}


@pytest.mark.parametrize("settings", [PUBLIC], ids=["public_url"])
async def test_decision_40_no_picture_is_served_to_another_host(client: httpx.AsyncClient, image: ProductImage) -> None:
    path = f"/upload/iblock/{image.address}/shirt.png"

    refused = await client.get(path)
    served = await client.get(path, headers={"host": "PICTURES.EXAMPLE:8443"})

    assert refused.status_code == 421
    assert served.content == PICTURE
