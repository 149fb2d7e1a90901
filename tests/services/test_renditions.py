"""Renditions are made once however many ask, AVIF behind everybody's back, and nothing of what cannot be made."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace
from PIL import Image

import pictures
import scenes
from build import Shop, make_image, make_product, open_shop, visiting
from packshot.config import Settings
from packshot.domain.errors import LimitReached, Unavailable, UndecodableImage
from packshot.domain.images import ProductImage
from packshot.domain.renditions import Wish, wished
from packshot.imaging.jobs import Render
from packshot.imaging.pool import Workers, WorkerSettings
from packshot.imaging.process import Made
from packshot.services import descriptions, renditions
from packshot.services.core import Core, RenditionSettings
from packshot.services.making import Making
from packshot.storage.renditions import Renditions

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=2))
AVIF = "image/avif,image/webp,*/*;q=0.8"
PATIENCE_S = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path_factory.mktemp("shop") / "data", SETTINGS) as shop:
        await shop.core.workers.start()
        yield shop


class Counted:
    """The workers, and what they were asked to render, in order; `first` is awaited before each."""

    def __init__(self, workers: Workers, first: Callable[[Render], Awaitable[None]] | None = None) -> None:
        self._workers = workers
        self._first = first
        self.asked: list[Render] = []
        self.at_once = self.most_at_once = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._workers, name)

    async def render(self, job: Render, source: int, digest: str) -> Made:
        self.asked.append(job)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            if self._first:
                await self._first(job)
            return await self._workers.render(job, source, digest)
        finally:
            self.at_once -= 1


def counting(core: Core, first: Callable[[Render], Awaitable[None]] | None = None) -> tuple[Core, Counted]:
    """The core, with nothing being made, and what it asks of its workers."""
    workers = Counted(core.workers, first)
    return dataclasses.replace(core, workers=workers, making=Making()), workers  # type: ignore[arg-type]


def waiting_for(event: asyncio.Event) -> Callable[[Render], Awaitable[None]]:
    async def wait(_: Render) -> None:
        await event.wait()

    return wait


async def hang(shop: Shop, image: Image.Image | bytes, name: str = "shirt.png") -> ProductImage:
    """A new image with that picture."""
    data = image if isinstance(image, bytes) else pictures.encoded(image, "PNG", compress_level=1)
    return await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), data, name=name)


def fresh(seed: int, width_px: int = 90, height_px: int = 60) -> Image.Image:
    """A picture that nothing was made of yet."""
    image = scenes.corners(width_px, height_px)
    image.putpixel((0, 0), (seed % 256, seed // 256, 7))
    return image


async def ask(core: Core, image: ProductImage, text: str, accept: str = AVIF) -> renditions.Served:
    picture = await renditions.picture_at(core, image.address[4:])
    return await renditions.open_rendition(core, picture, wish(core, text), accept)


def wish(core: Core, text: str) -> Wish:
    return wished(text, core.presets)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def path(image: ProductImage, rendition: str) -> str:
    return f"/i/{image.address[4:]}/{rendition}/shirt.png"


# Once


async def test_a_hundred_equal_requests_are_one_rendering(shop: Shop) -> None:
    core, workers = counting(shop.core)
    image = await hang(shop, scenes.still_life())

    async with visiting(core, SETTINGS) as client:
        answers = await asyncio.gather(*(client.get(path(image, "card.webp")) for _ in range(100)))

    assert len(workers.asked) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_all_sizes_that_a_picture_is_too_small_for_are_one_rendition(shop: Shop) -> None:
    core, workers = counting(shop.core)
    image = await hang(shop, fresh(9))

    served = [await ask(core, image, f"{preset}.webp") for preset in ("thumbnail", "preview", "zoom")]

    assert len({one.content.digest for one in served}) == 1
    assert len(workers.asked) == 1


async def test_different_renditions_are_made_side_by_side(shop: Shop) -> None:
    core, workers = counting(shop.core)
    image = await hang(shop, fresh(1, 900, 600))

    async with visiting(core, SETTINGS) as client:
        names = [f"{preset}.{form}" for preset in ("card", "thumbnail") for form in ("jpeg", "png", "webp")]
        await asyncio.gather(*(client.get(path(image, name)) for name in names * 5))

    assert len(workers.asked) == len(names)
    assert workers.most_at_once > 1


async def test_what_half_of_those_who_asked_no_longer_want_is_made_once_and_kept(shop: Shop) -> None:
    go_on = asyncio.Event()
    core, workers = counting(shop.core, waiting_for(go_on))
    image = await hang(shop, fresh(2))
    async with visiting(core, SETTINGS) as client:
        asking = [asyncio.create_task(client.get(path(image, "card.webp"))) for _ in range(100)]
        await until(lambda: bool(workers.asked))

        for request in asking[::2]:
            request.cancel()
        await asyncio.gather(*asking[::2], return_exceptions=True)
        go_on.set()
        answers = await asyncio.gather(*asking[1::2])
        again = await client.get(path(image, "card.webp"))

    assert len(workers.asked) == 1
    assert {answer.content for answer in [*answers, again]} == {again.content}


async def test_what_nobody_wants_any_more_is_made_and_kept_all_the_same(shop: Shop) -> None:
    go_on = asyncio.Event()
    core, workers = counting(shop.core, waiting_for(go_on))
    image = await hang(shop, fresh(3))
    asking = [asyncio.create_task(ask(core, image, "card.webp")) for _ in range(5)]
    await until(lambda: bool(workers.asked))

    for request in asking:
        request.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    go_on.set()
    await until(lambda: workers.at_once == 0)
    await ask(core, image, "card.webp")

    assert all(request.cancelled() for request in asking)
    assert len(workers.asked) == 1


async def test_what_decoding_finds_is_found_once_and_written_down(shop: Shop) -> None:
    core, _ = counting(shop.core)
    image = await hang(shop, scenes.lying(scenes.corners(120, 80), 6), "lying.jpeg")
    picture = await renditions.picture_at(core, image.address[4:])

    looks = await asyncio.gather(*(renditions.looks_of(core, picture) for _ in range(20)))

    assert len({id(one) for one in looks}) == 1
    assert looks[0].orientation == 6
    assert (await renditions.picture_at(core, image.address[4:])).looks == looks[0]


# AVIF


async def settled(core: Core) -> None:
    await until(lambda: core.making.waiting == 0)


async def test_avif_is_made_after_somebody_asked_who_takes_it_and_served_once_ready(shop: Shop) -> None:
    core, workers = counting(shop.core)
    image = await hang(shop, fresh(4))

    first = await ask(core, image, "card")
    await settled(core)
    second = await ask(core, image, "card")

    assert (first.content.media_type, first.by_accept, first.lasting) == ("image/webp", True, False)
    assert (second.content.media_type, second.by_accept, second.lasting) == ("image/avif", True, True)
    assert sorted(job.spec.format for job in workers.asked) == ["avif", "webp"]  # a bucket may put either first


async def test_nobody_makes_avif_that_nobody_takes(shop: Shop) -> None:
    core, workers = counting(shop.core)
    image = await hang(shop, fresh(5))

    for accept in ("*/*", "image/webp", "image/avif;q=0.1, image/webp"):
        assert (await ask(core, image, "card", accept)).lasting

    assert core.making.waiting == 0
    assert {job.spec.format for job in workers.asked} == {"jpeg", "webp"}


async def test_who_insists_on_avif_gets_the_next_best_until_it_is_ready(shop: Shop) -> None:
    core, _ = counting(shop.core)
    image = await hang(shop, fresh(6))

    first = await asyncio.gather(*(ask(core, image, "card.avif", accept) for accept in ("image/webp", "*/*")))
    await settled(core)
    later = await ask(core, image, "card.avif", "*/*")

    assert [served.content.media_type for served in first] == ["image/webp", "image/jpeg"]
    assert {(served.by_accept, served.lasting) for served in first} == {(True, False)}
    assert (later.content.media_type, later.by_accept, later.lasting) == ("image/avif", False, True)


async def test_where_no_avif_is_wanted_the_next_best_lasts(shop: Shop) -> None:
    core, workers = counting(dataclasses.replace(shop.core, pictures=RenditionSettings(avif=False)))
    image = await hang(shop, fresh(7))

    for name in ("card", "card.avif"):
        served = await ask(core, image, name)
        assert (served.content.media_type, served.by_accept, served.lasting) == ("image/webp", True, True)

    assert core.making.waiting == 0
    assert [job.spec.format for job in workers.asked] == ["webp"]


async def test_where_nothing_can_be_kept_no_avif_is_made_but_what_there_is_of_it_is_served(
    shop: Shop, tmp_path: Path
) -> None:
    folder = tmp_path / "renditions"
    core, workers = counting(dataclasses.replace(shop.core, renditions=Renditions(folder, 0, shop.core.threads)))
    image = await hang(shop, fresh(8))
    served = [await ask(core, image, "card") for _ in range(2)]
    asked = [job.spec.format for job in workers.asked]
    with_room = dataclasses.replace(core, renditions=Renditions(folder, 10_000_000, core.threads))
    await ask(with_room, image, "card")
    await settled(with_room)

    ready = await ask(core, image, "card")

    assert [(one.content.media_type, one.lasting) for one in served] == [("image/webp", True)] * 2
    assert asked == ["webp", "webp"]
    assert ready.content.media_type == "image/avif"


@pytest.mark.parametrize(
    ("size_px", "has_alpha", "text", "is_made"),
    [
        ((2400, 1800), False, "zoom", True),
        ((2400, 1880), False, "zoom", False),
        ((100, 90), False, "zoom", True),
        ((1800, 2400), False, "4096x", True),
        ((2400, 1800), True, "zoom", False),
        ((1500, 1500), True, "zoom", True),
        ((90, 60), False, "2400x2400-cover", False),
    ],
)
async def test_avif_is_made_of_what_becomes_no_larger_than_a_worker_can_do(
    shop: Shop, size_px: tuple[int, int], text: str, *, has_alpha: bool, is_made: bool
) -> None:
    core, _ = counting(shop.core, unavailable)
    core = dataclasses.replace(core, making=Postponing())
    picture = await renditions.picture_at(core, (await hang(shop, fresh(8))).address[4:])
    looks = replace(await renditions.looks_of(core, picture), has_alpha=has_alpha)
    picture = replace(picture, width_px=size_px[0], height_px=size_px[1], looks=looks)

    with pytest.raises(Unavailable):
        await renditions.open_rendition(core, picture, wish(core, text), AVIF)

    assert core.making.waiting == is_made
    await core.making.close()


class Postponing(Making):
    """Gets to nothing that nobody waits for."""

    async def _work_off(self) -> None:
        return


async def unavailable(_: Render) -> None:
    raise Unavailable("image worker")


async def test_avif_is_made_one_at_a_time_and_each_once(shop: Shop) -> None:
    core, workers = counting(shop.core)
    many = [await hang(shop, fresh(number)) for number in range(10, 16)]
    await asyncio.gather(*(ask(core, image, "card.webp") for image in many))
    workers.asked.clear()
    workers.most_at_once = 0

    await asyncio.gather(*(ask(core, image, "card") for image in many * 5))
    await settled(core)

    assert [job.spec.format for job in workers.asked] == ["avif"] * 6
    assert workers.most_at_once == 1


async def test_avif_waits_while_others_wait_for_a_worker(shop: Shop) -> None:
    go_on = asyncio.Event()

    async def hold(job: Render) -> None:
        if job.spec.format != "avif":
            await go_on.wait()

    core, workers = counting(shop.core, hold)
    image = await hang(shop, fresh(20))
    go_on.set()
    await ask(core, image, "card.webp")
    shop.core.workers.waiting += 1  # somebody waits
    try:
        await ask(core, image, "card")
        await asyncio.sleep(0.3)
        begun = [job.spec.format for job in workers.asked]
    finally:
        shop.core.workers.waiting -= 1

    await settled(core)

    assert begun == ["webp"]
    assert [job.spec.format for job in workers.asked] == ["webp", "avif"]


async def test_a_picture_whose_avif_failed_once_gets_none_any_more_and_keeps_its_other_renditions(shop: Shop) -> None:
    async def fail(job: Render) -> None:
        if job.spec.format == "avif":
            raise UndecodableImage("The image takes too long to decode")

    core, workers = counting(shop.core, fail)
    image = await hang(shop, fresh(21))

    first = await ask(core, image, "card")
    await settled(core)
    later = [await ask(core, image, name) for name in ("card", "thumbnail", "card.avif")]

    assert not first.lasting
    assert all(served.lasting and served.content.media_type == "image/webp" for served in later)
    assert core.making.waiting == 0
    assert [job.spec.format for job in workers.asked].count("avif") == 1


async def test_avif_for_which_there_was_no_room_is_made_when_it_is_asked_for_again(shop: Shop) -> None:
    full = [True]

    async def refuse(job: Render) -> None:
        if job.spec.format == "avif" and full.pop() if full else False:
            raise LimitReached("images to work on", 2)

    core, _ = counting(shop.core, refuse)
    image = await hang(shop, fresh(22))
    await ask(core, image, "card")
    await settled(core)
    await ask(core, image, "card")
    await settled(core)

    assert (await ask(core, image, "card")).content.media_type == "image/avif"


# What cannot be made


async def test_that_an_original_cannot_be_decoded_is_remembered_for_a_while(shop: Shop) -> None:
    core, workers = counting(shop.core)
    whole = pictures.encoded(scenes.still_life(), "PNG")
    image = await hang(shop, whole[: len(whole) // 2])

    for name in ("card", "card.webp", "thumbnail"):
        with pytest.raises(UndecodableImage):
            await ask(core, image, name)

    assert not workers.asked  # it was looked at, once, and never rendered
    assert core.making.waiting == 0


async def test_what_failed_for_another_reason_is_tried_again(shop: Shop) -> None:
    failures = [Unavailable("image worker"), LimitReached("images to work on", 2)]

    async def fail(_: Render) -> None:
        if failures:
            raise failures.pop()

    core, _ = counting(shop.core, fail)
    image = await hang(shop, fresh(23))

    for error in (LimitReached, Unavailable):
        with pytest.raises(error):
            await ask(core, image, "card.png")

    assert (await ask(core, image, "card.png")).content.media_type == "image/png"


# What is said of a picture


async def test_a_picture_is_described_as_people_see_it(shop: Shop) -> None:
    image = await hang(shop, scenes.lying(scenes.still_life(), 6, quality=90), "Still life.jpeg")
    picture = await renditions.picture_at(shop.core, image.address[4:])

    said = await descriptions.describe(shop.core, picture, "https://shop.example")

    base = f"https://shop.example/i/{image.address[4:]}"
    sizes = [(200, 133), (400, 267), (960, 640), (960, 640)]
    assert (said.width, said.height, said.media_type, said.frames) == (960, 640, "image/jpeg", 1)
    assert (said.has_alpha, said.colour_profile, said.version) == (False, None, 1)
    assert (said.focus.x, said.focus.y) == (0.5, 0.5)
    assert said.renditions == {
        name: descriptions.Rendition(f"{base}/{name}/Still%20life.jpeg", *size_px)
        for name, size_px in zip(("thumbnail", "card", "preview", "zoom"), sizes, strict=True)
    }
    widths = {"thumbnail": 200, "card": 400, "preview": 960}
    assert said.srcset == ", ".join(f"{base}/{name}/Still%20life.jpeg {width}w" for name, width in widths.items())
