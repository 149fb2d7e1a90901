"""Our addresses of pictures, and our own methods: describe_images, update_pictures and sign_renditions."""

import io
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from PIL import Image

import pictures
import scenes
import tags
from build import Shop, make_image, make_product, open_shop
from library_calls import refused
from located import located_pictures
from packshot.config import Settings
from packshot.imaging.pool import WorkerSettings
from packshot.services import handlers, keys, setup
from packshot.services.outbound import OutboundSettings
from packshot.storage import blob_rows
from receiver import noted

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "9f4c1a52-6f0b-4f6b-8f4e-0a8f3c5c7d11"
SESSION = {"library": "temporary", "session_id": "0123456789"}
LENT = {"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg"}
PORTRAIT = scenes.lying(scenes.corners(80, 120), 6)
LONGEST = f"https://{'a.' * 126}b:65535"
"""A host's name has up to 253 characters."""


class World(NamedTuple):
    """A shop with a worker, and the keys of its account."""

    shop: Shop
    headers: dict[str, str]

    async def v3(self, verb: str, name: str, **more: Any) -> httpx.Response:
        more["headers"] = self.headers | more.get("headers", {})
        return await self.shop.client.request(verb, f"/packshot/v3/{name}", **more)

    async def ask(self, verb: str, name: str, /, **params: Any) -> Any:
        answer = await self.v3(verb, name, json=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def upload(self, data: bytes = PORTRAIT, **query: str) -> Any:
        """A new image with these bytes."""
        query = {"file_name": "shirt.jpg"} | query
        answer = await self.v3("PUT", f"images/{uuid4()}", params=query, content=data)
        assert answer.status_code == 200, answer.text
        return answer.json()["images"][0]

    async def lent(self) -> str:
        """The guid of a new image that lies with somebody else."""
        answer = await self.shop.client.post("/v3/add_images", headers=self.headers, json={"images": [LENT]})
        return str(answer.json()["images"][0]["guid"])

    async def listed(self, guid: str, **more: Any) -> Any:
        body = {"guid_filter": [guid]} | more
        answer = await self.shop.client.post("/v3/list_images", headers=self.headers, json=body)
        return answer.json()["images"][0]

    async def described(self, guid: str) -> Any:
        (image,) = (await self.ask("POST", "describe_images", guids=[guid]))["images"]
        assert image["guid"] == guid
        return image["picture"]

    async def updated(self, guid: str, **how: Any) -> Any:
        (image,) = (await self.ask("PUT", "update_pictures", images=[{"guid": guid} | how]))["images"]
        return image["picture"]

    async def signed(self, guid: str, *renditions: Any, **more: Any) -> list[str]:
        answer = await self.ask("POST", "sign_renditions", guid=guid, renditions=renditions, **more)
        return [one["url"] for one in answer["renditions"]]

    async def seen(self, url: str, **headers: str) -> Image.Image:
        """The picture at an address."""
        answer = await self.shop.client.get(url, headers=headers)
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    settings = Settings(workers=WorkerSettings(count=1), outbound=OutboundSettings(allow_private=True))
    async with open_shop(tmp_path_factory.mktemp("pictures") / "data", settings) as shop:
        pair = await keys.create(shop.core, setup.ACCOUNT)
        yield World(shop, {"web_api_key": pair.web_api_key, "app_key": pair.app_key})


# Addresses


@pytest.mark.parametrize("library", [{}, SESSION], ids=["inventory", "temporary"])
async def test_what_is_listed_can_be_looked_at_at_once(world: World, library: dict[str, str]) -> None:
    image = await world.upload(PORTRAIT, **library)

    shown = await world.listed(image["guid"], library={"name": library.get("library")} | library)
    thumbnail = await world.shop.client.get(shown["public_thumbnail_uri"] + "?t=1800000000000")

    assert (thumbnail.status_code, thumbnail.headers["content-disposition"][:6]) == (200, "inline")
    assert (await world.seen(shown["public_preview_uri"])).size == (80, 120)
    assert (await world.shop.client.get(shown["private_hires_uri"])).content == PORTRAIT
    for kind in ("public_thumbnail", "public_preview", "private_hires"):
        assert "?" not in shown[f"{kind}_uri"]


async def test_decision_14_the_longest_address_has_at_most_500_characters(world: World) -> None:
    image = await world.upload(file_name="\u0444" * 190 + ".jpg")
    await world.shop.core.db.write(
        lambda tx: tx.run("UPDATE image SET version = 999999999 WHERE guid = ?1", image["guid"])
    )
    host = {"host": urlsplit(LONGEST).netloc}

    answer = await world.shop.client.post(
        "/v3/list_images", headers=world.headers | host, json={"guid_filter": image["guid"]}
    )

    (shown,) = answer.json()["images"]
    for kind in ("public_thumbnail", "public_preview", "private_hires"):
        address = shown[f"{kind}_uri"]
        assert address.startswith(f"http{LONGEST.removeprefix('https')}/")
        assert len(address) <= 499  # https has a character more


async def test_a_host_longer_than_any_name_gets_into_no_address(world: World) -> None:
    image = await world.upload()

    answer = await world.shop.client.post(
        "/v3/list_images", headers=world.headers | {"host": "a" * 254}, json={"guid_filter": image["guid"]}
    )

    assert "aaaa" not in answer.json()["images"][0]["public_thumbnail_uri"]


# describe_images


async def test_a_picture_is_described_upright_with_its_renditions(world: World) -> None:
    image = await world.upload()

    said = await world.described(image["guid"])

    renditions, srcset = said.pop("renditions"), said.pop("srcset")
    assert len(said.pop("thumbhash")) > 20
    assert len(bytes.fromhex(said.pop("perceptual_hash"))) == 8
    assert said.pop("dominant_colour").startswith("#")
    assert said == {
        "width": 80, "height": 120, "media_type": "image/jpeg", "frames": 1, "has_alpha": False,
        "colour_profile": None, "focus": {"x": 0.5, "y": 0.5}, "version": 1, "privacy": None,
    }  # fmt: skip
    assert {name: (one["width"], one["height"]) for name, one in renditions.items()} == {
        "thumbnail": (80, 120), "card": (80, 120), "preview": (80, 120), "zoom": (80, 120)
    }  # fmt: skip
    assert renditions["thumbnail"]["url"] == image["public_thumbnail_uri"]
    assert renditions["preview"]["url"] == image["public_preview_uri"]
    assert srcset == f"{image['public_thumbnail_uri']} 80w"


async def test_what_cannot_be_looked_at_is_null_and_what_is_not_there_is_named(world: World) -> None:
    cut, lent = await world.upload(PORTRAIT[:-200]), await world.lent()
    lost, good = await world.upload(pictures.png(9, 9)), await world.upload(pictures.png(8, 8))
    core = world.shop.core
    (row,) = await core.db.all("SELECT blob_id FROM image WHERE guid = ?1", lost["guid"])
    await core.db.write(lambda tx: blob_rows.mark_corrupt(tx, row[0]))
    guids = [cut["guid"], NOBODY, lent, lost["guid"], good["guid"].upper(), good["guid"]]

    answer = await world.ask("POST", "describe_images", guids=guids)

    assert [(image["guid"], image["picture"] is None) for image in answer["images"]] == [
        (cut["guid"], True), (lent, True), (lost["guid"], True), (good["guid"], False)
    ]  # fmt: skip
    assert NOBODY in answer["status"]["message"]
    assert answer["status"]["success"] is True


@pytest.mark.parametrize("params", [{}, {"guids": {}}, {"guids": [{}]}, {"guids": [str(n) for n in range(51)]}])
async def test_a_description_of_nothing_in_particular_is_refused(world: World, params: Any) -> None:
    assert (await refused(world.v3, "POST", "describe_images", params)).startswith("request.guids")


# update_pictures


async def test_what_is_given_changes_and_only_a_change_makes_a_new_version(world: World) -> None:
    guid = (await world.upload())["guid"]

    moved = await world.updated(guid, focus={"x": "0.254", "y": 1})
    same = await world.updated(guid, focus={"x": 0.25, "y": 1.0})
    strict = await world.updated(guid.upper(), privacy="STRIP_ALL")
    reset = await world.updated(guid, focus=None, privacy="")
    nothing = await world.updated(guid)

    assert [(one["focus"], one["privacy"], one["version"]) for one in (moved, same, strict, reset, nothing)] == [
        ({"x": 0.25, "y": 1.0}, None, 2),
        ({"x": 0.25, "y": 1.0}, None, 2),
        ({"x": 0.25, "y": 1.0}, "strip_all", 3),
        ({"x": 0.5, "y": 0.5}, None, 4),
        ({"x": 0.5, "y": 0.5}, None, 4),
    ]
    assert await world.described(guid) == nothing


async def test_a_change_is_dated_and_stands_in_all_addresses_while_those_before_go_on(world: World) -> None:
    image = await world.upload()

    said = await world.updated(image["guid"], focus={"x": 0, "y": 0})

    shown = await world.listed(image["guid"])
    assert image["date_updated"] is None
    assert shown["date_updated"] is not None
    for kind in ("public_thumbnail", "public_preview", "private_hires"):
        before, after = image[f"{kind}_uri"], shown[f"{kind}_uri"]
        assert urlsplit(after).path.split("/")[-3 if kind != "private_hires" else -2].endswith("-2")
        assert (await world.seen(before)).tobytes() == (await world.seen(after)).tobytes()
        assert (await world.shop.client.get(after.replace("-2/", "-3/"))).status_code == 404
    assert said["renditions"]["thumbnail"]["url"] == shown["public_thumbnail_uri"]


async def test_what_is_cut_off_depends_on_the_focal_point(world: World) -> None:
    image = await world.upload()
    (before,) = await world.signed(image["guid"], "80x40-cover.png")

    middle = await world.seen(before)
    await world.updated(image["guid"], focus={"x": 0.5, "y": 1})
    bottom = await world.seen(before)

    assert middle.getpixel((10, 5)) != bottom.getpixel((10, 5))
    red, _, blue = _colour(bottom)
    assert blue > red  # the lower left corner


async def test_the_public_original_loses_what_the_image_says(world: World) -> None:
    image = await world.upload(located_pictures()["jpeg XMP"].data)
    kept = (await world.shop.client.get(image["private_hires_uri"])).content

    await world.updated(image["guid"], privacy="strip_location")
    stripped = (await world.shop.client.get(image["private_hires_uri"])).content

    assert tags.MARKER in kept
    assert tags.MARKER not in stripped


async def test_a_change_is_told_of_the_image_and_once_of_its_product_too(world: World) -> None:
    core, admin = world.shop.core, world.shop.admin
    shirt = await make_product(core, admin)
    pair = [await make_image(core, admin, shirt, pictures.png(), role) for role in ("detail", "more")]
    names = ["PACKSHOT.IMAGE.ON.UPDATE", "CATALOG.PRODUCT.ON.UPDATE"]
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", names)
    changes = [{"guid": image.guid, "focus": {"x": 0.1, "y": 0.1}} for image in pair]

    await world.ask("PUT", "update_pictures", images=changes)
    await world.ask("PUT", "update_pictures", images=changes)

    assert await noted(core) == [
        *((names[0], {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": shirt, "ROLE": image.role}) for image in pair),
        (names[1], {"ID": shirt, "TYPE": 1}),
    ]


async def test_all_pictures_of_a_call_are_changed_or_none(world: World) -> None:
    good, lent = await world.upload(), await world.lent()
    changes = [{"guid": good["guid"], "focus": {"x": 0, "y": 0}}, {"guid": lent, "focus": {"x": 0, "y": 0}}]

    field = await refused(world.v3, "PUT", "update_pictures", {"images": changes})

    assert field == "request.images[1].guid"
    assert (await world.described(good["guid"]))["version"] == 1


async def test_a_change_of_what_is_not_there_is_no_success(world: World) -> None:
    good = await world.upload()
    missing = {"guid": NOBODY, "privacy": "keep"}

    some = await world.ask("PUT", "update_pictures", images=[missing, {"guid": good["guid"], "privacy": "keep"}])
    none = await world.ask("PUT", "update_pictures", images=[missing])
    empty = await world.ask("PUT", "update_pictures", images=[])

    assert [image["picture"]["privacy"] for image in some["images"]] == ["keep"]
    assert [answer["status"]["status_code"] for answer in (some, none, empty)] == [200, 404, 200]
    assert NOBODY in some["status"]["message"]
    assert none["images"] == empty["images"] == []


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"focus": {"x": 1.001, "y": 0}}, "focus.x"),
        ({"focus": {"x": 0, "y": -0.1}}, "focus.y"),
        ({"focus": {"x": 0}}, "focus.y"),
        ({"focus": {"x": True, "y": 0}}, "focus.x"),
        ({"focus": [0, 0]}, "focus"),
        ({"privacy": "secret"}, "privacy"),
        ({"privacy": {}}, "privacy"),
        ({"guid": None}, "guid"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused_by_its_field(world: World, how: Any, field: str) -> None:
    change = {"guid": NOBODY} | how

    assert await refused(world.v3, "PUT", "update_pictures", {"images": [change]}) == f"request.images[0].{field}"


async def test_more_than_fifty_changes_are_refused(world: World) -> None:
    assert await refused(world.v3, "PUT", "update_pictures", {"images": [{"guid": NOBODY}] * 51}) == "request.images"


# sign_renditions


async def test_renditions_are_signed_by_name_and_by_what_they_are_made_of(world: World) -> None:
    guid = (await world.upload())["guid"]
    sizes = {"width": 30, "height": "20", "fit": "cover"}

    answer = await world.ask(
        "POST",
        "sign_renditions",
        guid=guid,
        renditions=[
            "40x40.webp", "40x40", "card@2x", sizes, sizes | {"dpr": 2, "format": "JPG", "quality": 33},
            {"width": 20, "fit": ""}, sizes | {"fit": "pad", "background": "#FF0000", "format": "png"},
            sizes | {"focus": {"x": 0.2, "y": 0.333}, "format": "avif"},
        ],
    )  # fmt: skip

    names = [one["name"] for one in answer["renditions"]]
    assert names == [
        "40x40.webp", "40x40", "card@2x", "30x20-cover", "60x40-cover-q33.jpeg", "20x", "30x20-pad-onff0000.png",
        "30x20-cover-at20,33.avif",
    ]  # fmt: skip
    made = [await world.seen(one["url"], accept="image/webp") for one in answer["renditions"][:-1]]
    assert [image.size for image in made] == [(27, 40), (27, 40), (80, 120), (30, 20), (60, 40), (20, 30), (30, 20)]
    assert [image.format for image in made] == ["WEBP", "WEBP", "WEBP", "WEBP", "JPEG", "WEBP", "PNG"]
    for one in answer["renditions"]:
        address = urlsplit(one["url"])
        assert (address.netloc, address.path.split("/")[3]) == ("shop.test", one["name"])
        assert bool(address.query) is (one["name"] != "card@2x")  # presets are for everybody


async def test_a_signature_is_good_for_its_rendition_of_its_image_only(world: World) -> None:
    one, other = (await world.upload(), await world.upload())
    (url,) = await world.signed(one["guid"], "33x33.png")
    key, others = (urlsplit(image["public_thumbnail_uri"]).path.split("/")[2] for image in (one, other))

    for wrong in (url.partition("?")[0], url.replace("33x33.png", "34x34.png"), url.replace(key, others)):
        assert (await world.shop.client.get(wrong)).status_code == 403
    assert (await world.seen(url)).size == (22, 33)


async def test_a_link_ends_when_it_was_said_to(world: World) -> None:
    guid, clock = (await world.upload())["guid"], world.shop.clock
    (short,) = await world.signed(guid, "31x31.png", expires_s="60")
    (lasting,) = await world.signed(guid, "31x31.png")

    clock.advance(60)
    assert (await world.shop.client.get(short)).status_code == 200
    clock.advance(1)

    assert (await world.shop.client.get(short)).json()["error"] == "expired_token"
    clock.advance(10**9)
    assert (await world.shop.client.get(lasting)).status_code == 200
    clock.advance(-(10**9) - 61)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"guid": ""}, "request.guid"),
        ({"renditions": None}, "request.renditions"),
        ({"renditions": {"width": 1}}, "request.renditions"),
        ({"renditions": ["card"] * 101}, "request.renditions"),
        ({"renditions": ["card", "0x1"]}, "request.renditions[1]"),
        ({"renditions": ["hero"]}, "request.renditions[0]"),
        ({"renditions": [None]}, "request.renditions[0]"),
        ({"renditions": [["card"]]}, "request.renditions[0]"),
        ({"renditions": [{}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 4097}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 3000, "dpr": 2}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "dpr": 0}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "fit": "cover"}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "fit": "fill"}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "focus": {}}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "background": "red"}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "format": "gif"}]}, "request.renditions[0]"),
        ({"renditions": [{"width": 30, "quality": 101}]}, "request.renditions[0]"),
        ({"expires_s": 0}, "request.expires_s"),
        ({"expires_s": 10**12}, "request.expires_s"),
    ],
)
async def test_what_cannot_be_made_or_kept_is_not_signed(world: World, params: Any, field: str) -> None:
    asked = {"guid": (await world.upload())["guid"], "renditions": ["card"]} | params

    assert await refused(world.v3, "POST", "sign_renditions", asked) == field


async def test_nothing_is_signed_of_what_is_not_here(world: World) -> None:
    answers = [
        await world.v3("POST", "sign_renditions", json={"guid": guid, "renditions": ["card"]})
        for guid in (NOBODY, await world.lent())
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert [answer.json()["status"]["message"] for answer in answers] == [
        "Image not found", "The file of this image lies with somebody else"
    ]  # fmt: skip


def _colour(image: Image.Image) -> tuple[int, ...]:
    colour = image.convert("RGB").getpixel((10, 35))
    assert isinstance(colour, tuple)
    return colour
