"""Our own routes for files: what may be said of one and how, and what is answered."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

import pictures
from build import make_account, make_product, visiting
from moments import keys_of
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.originals import PrintLimits
from packshot.protocols.finerworks.methods import UPLOADS
from packshot.services import handlers, keys, originals, setup
from packshot.services.core import Core, EventSettings
from packshot.services.keys import Keys
from packshot.services.outbound import Outbound, OutboundSettings
from receiver import noted

SHIRT = pictures.png(3, 2)
MUG = pictures.jpeg(4, 4)
GUID = "2d273599-962a-498c-be07-cec9e80bacf2"
UPLOAD, PUT = "/packshot/v3/upload", f"/packshot/v3/images/{GUID}"
SUCCESS = {"success": True, "status_code": 200, "message": "", "debug": None}

Ask = Callable[..., Awaitable[httpx.Response]]
Look = Callable[[], Awaitable[list[str]]]


@pytest.fixture
def settings() -> Settings:
    return Settings(prints=PrintLimits(upload_bytes=10_000, at_once=1))


@pytest.fixture
def put(client: httpx.AsyncClient, headers: dict[str, str]) -> Ask:
    async def ask(data: bytes = SHIRT, path: str = PUT, more: dict[str, str] | None = None, **said: Any) -> Any:
        return await client.put(path, params=said, content=data, headers=headers | (more or {}))

    return ask


@pytest.fixture
def post(client: httpx.AsyncClient, headers: dict[str, str]) -> Ask:
    async def ask(data: bytes = SHIRT, name: str = "shirt.png", more: dict[str, str] | None = None, **said: Any) -> Any:
        return await client.post(UPLOAD, data=said, files={"file": (name, data)}, headers=headers | (more or {}))

    return ask


@pytest.fixture
def ways(put: Ask, post: Ask) -> dict[str, Ask]:
    return {"put": put, "post": post}


def image_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == SUCCESS
    (image,) = answer.json()["images"]
    return dict(image)


def refusal(answer: httpx.Response, status: int = 400) -> str:
    """The readable text of a refusal in FinerWorks' envelope."""
    told = answer.json()
    assert (answer.status_code, told["status"]["success"], told["status"]["status_code"]) == (status, False, status)
    assert "Message" in told
    return str(told["status"]["message"])


async def test_a_form_is_stored_and_listed_and_its_addresses_give_the_very_bytes(
    client: httpx.AsyncClient, headers: dict[str, str], post: Ask
) -> None:
    image = image_of(await post(name="Dünen.png", title="Dunes", description="At dusk", site_id="2", guid=GUID.upper()))

    assert (image["guid"], image["title"], image["description"]) == (GUID, "Dunes", "At dusk")
    assert (image["file_name"], image["file_size"], image["pix_w"], image["pix_h"]) == ("Dünen.png", len(SHIRT), 3, 2)
    listed = await client.post("/v3/list_images", json={"library": {"name": "inventory"}}, headers=headers)
    assert listed.json()["images"] == [image]
    assert (await client.get(image["private_hires_uri"])).content == SHIRT


async def test_a_body_alone_is_stored_under_its_guid_again_and_again(put: Ask, core: Core) -> None:
    first = image_of(await put(title="Dunes", file_name="a/b.png"))
    again = image_of(await put(more={"content-type": "application/x-www-form-urlencoded"}))
    other = await put(MUG)

    assert (first["guid"], first["title"], first["file_name"]) == (GUID, "Dunes", "a_b.png")
    assert again == first
    assert GUID in refusal(other)
    assert len(await keys_of(core)) == 1


async def test_a_name_is_made_up_where_none_is_given(put: Ask, post: Ask) -> None:
    assert image_of(await put(MUG))["file_name"] == f"{GUID}.jpeg"
    chosen = image_of(await post(name=" "))
    assert chosen["file_name"] == f"{chosen['guid']}.png"
    assert image_of(await post(file_name="mine.png"))["file_name"] == "mine.png"


@pytest.mark.parametrize("way", ["put", "post"])
async def test_a_temporary_image_is_seen_by_its_session_only(
    client: httpx.AsyncClient, headers: dict[str, str], way: str, ways: dict[str, Ask]
) -> None:
    image = image_of(await ways[way](library="temporary", session_id="session-1"))

    assert image["date_expires"] is not None
    for session_id, found in (("session-1", [image]), ("session-2", [])):
        library = {"name": "temporary", "session_id": session_id}
        listed = await client.post("/v3/list_images", json={"library": library}, headers=headers)
        assert listed.json()["images"] == found


async def test_an_upload_with_a_product_is_its_picture_at_once(
    core: Core, admin: Principal, call: Any, post: Ask, put: Ask
) -> None:
    product_id = await make_product(core, admin)

    image_of(await post(product_id=str(product_id)))
    image_of(await put(MUG, product_id=product_id, role="DETAIL", file_name="mug.jpeg"))

    listed = (await call("catalog.productImage.list", {"productId": product_id}))["result"]["productImages"]
    assert [(image["name"], image["type"]) for image in listed] == [
        ("shirt.png", "MORE_PHOTO"), ("mug.jpeg", "DETAIL_PICTURE"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"library": "archive"}, "library.name"),
        ({"library": "temporary"}, "library.session_id"),
        ({"library": "temporary", "session_id": "short"}, "library.session_id"),
        ({"site_id": "many"}, "library.site_id"),
        ({"guid": "mine"}, "guid"),
        ({"guid": "00000000-0000-0000-0000-000000000000"}, "guid"),
        ({"product_id": "x"}, "product_id"),
        ({"role": "more"}, "product_id"),
        ({"product_id": "1", "role": "cover"}, "role"),
        ({"product_id": "1", "library": "temporary", "session_id": "session-1"}, "library"),
        ({"description": "x" * 301}, "description"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field_and_leaves_nothing(
    post: Ask, put: Ask, left: Look, said: dict[str, str], field: str
) -> None:
    in_form = await post(**said)
    path = f"/packshot/v3/images/{said['guid']}" if "guid" in said else PUT
    in_query = await put(path=path, **{name: value for name, value in said.items() if name != "guid"})

    for answer in (in_form, in_query):
        assert refusal(answer)
        assert list(answer.json()["ModelState"]) == [f"request.{field}"]
    assert await left() == []


@pytest.mark.parametrize("way", ["put", "post"])
@pytest.mark.parametrize(
    ("data", "said", "text"),
    [
        (b"", {}, "empty"),
        (pictures.svg(), {}, "SVG"),
        (SHIRT[:20], {}, "cut off"),
        (pictures.png_claiming(40_000, 10), {}, "pixels a side"),
        (SHIRT, {"product_id": "99"}, "Product not found"),
    ],
)
async def test_what_is_not_taken_is_said_in_finerworks_envelope(
    ways: dict[str, Ask], left: Look, way: str, data: bytes, said: Any, text: str
) -> None:
    assert text in refusal(await ways[way](data, **said))
    assert await left() == []


async def test_a_file_that_is_too_large_is_refused(put: Ask, post: Ask, left: Look) -> None:
    refusal(await put(SHIRT + bytes(10_000)), 413)
    refusal(await post(SHIRT + bytes(10_000)))
    refusal(await post(SHIRT + bytes(2 * 1024 * 1024)), 413)

    assert await left() == []


async def test_a_compressed_body_and_another_type_than_a_form_are_refused(
    client: httpx.AsyncClient, headers: dict[str, str], put: Ask
) -> None:
    refusal(await put(more={"content-encoding": "gzip"}), 415)
    refusal(await client.post(UPLOAD, json={"guid": GUID}, headers=headers), 415)
    refusal(await client.post(UPLOAD, headers=headers), 415)
    refusal(await client.post(UPLOAD, content=b"x", headers=headers | {"content-type": "multipart/form-data"}))


async def test_strangers_are_told_so_before_their_body_is_read(client: httpx.AsyncClient) -> None:
    async def body() -> Any:
        raise AssertionError("read in vain")
        yield b""

    for verb, path in (("PUT", PUT), ("POST", UPLOAD)):
        answer = await client.request(verb, path, content=body())

        assert "unauthorized" in refusal(answer)


async def test_an_upload_beyond_those_at_once_is_told_to_come_back(core: Core, put: Ask, post: Ask) -> None:
    async with originals.staging(core) as other:
        image_of(await put())  # it has sent nothing yet
        await originals.append(core, other, b"x")
        for ask in (put, post):
            answer = await ask()

            refusal(answer, 503)
            assert answer.headers["retry-after"] == "1"
    image_of(await put())


def test_all_methods_that_take_files_are_tested_here() -> None:
    assert {path.split("/")[3] for path in (UPLOAD, PUT)} == set(UPLOADS)


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("POST", f"/packshot/v3/images/{GUID}", 405),
        ("GET", "/packshot/v3/upload", 405),
        ("PUT", "/packshot/v3/images", 404),
        ("PUT", f"/packshot/v3/images/{GUID}/more", 404),
        ("POST", "/packshot/v3/upload/more", 404),
        ("POST", "/packshot/v4/upload", 404),
        ("POST", "/packshot/upload", 404),
        ("POST", "/v3/upload", 404),
        ("PUT", f"/v3/images/{GUID}", 404),
    ],
)
async def test_other_addresses_and_verbs_are_not_there(
    client: httpx.AsyncClient, headers: dict[str, str], verb: str, path: str, status: int
) -> None:
    refusal(await client.request(verb, path, headers=headers), status)


async def test_addresses_are_read_in_any_case_and_with_any_slashes(put: Ask) -> None:
    image_of(await put(path=f"/packshot/V3//Images/{GUID.upper()}/"))


@pytest.mark.parametrize("counts", [True, False])
async def test_a_picture_changes_its_product_where_the_settings_say_so(
    core: Core, admin: Principal, settings: Settings, headers: dict[str, str], *, counts: bool
) -> None:
    told = dataclasses.replace(core, events=EventSettings(image_changes_product=counts))
    product_id = await make_product(core, admin)
    names = ["PACKSHOT.IMAGE.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE"]
    private = dataclasses.replace(core, outbound=Outbound(OutboundSettings(allow_private=True)))
    await handlers.add_webhook(private, setup.ACCOUNT, "http://127.0.0.1:9/", names)

    async with visiting(told, settings) as client:
        image_of(await client.put(PUT, params={"product_id": product_id}, content=SHIRT, headers=headers))

    assert [event for event, _ in await noted(core)] == names[: 1 + counts]


# For whom


@pytest.fixture
async def theirs(core: Core) -> tuple[Principal, str]:
    """Another account, and its account_key."""
    other, _ = await make_account(core, "other")
    return other, (await keys.of_account(core, "other"))[0]


@pytest.fixture
async def operator(core: Core, pair: Keys) -> dict[str, str]:
    del pair
    made = await keys.create(core, setup.ACCOUNT, privileged=True)
    return {"web_api_key": made.web_api_key, "app_key": made.app_key}


async def owners(core: Core) -> list[int]:
    return [row[0] for row in await core.db.all("SELECT account_id FROM image ORDER BY id")]


async def test_a_privileged_pair_uploads_for_the_account_that_a_field_or_the_query_names(
    core: Core, client: httpx.AsyncClient, put: Ask, post: Ask, operator: dict[str, str], theirs: tuple[Principal, str]
) -> None:
    other, key = theirs

    image_of(await put(more=operator, account_key=key))
    image_of(await post(more=operator, account_key=key))
    image_of(await client.post(UPLOAD, params={"account_key": key}, files={"file": ("a.png", SHIRT)}, headers=operator))
    refusal(await put(more=operator, account_key=str(uuid4())))
    refusal(await post(more=operator, account_key=str(uuid4())))

    assert await owners(core) == [other.account_id] * 3


async def test_any_other_pair_uploads_for_itself(
    core: Core, admin: Principal, put: Ask, post: Ask, theirs: tuple[Principal, str]
) -> None:
    _, key = theirs

    image_of(await put(account_key=key))
    image_of(await post(account_key=key))

    assert await owners(core) == [admin.account_id] * 2
