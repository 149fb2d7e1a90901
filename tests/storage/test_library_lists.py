"""Lists of libraries: what is found, in which order, and how many there are in all."""

import random
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from build import make_account, make_product
from packshot.domain.access import Principal
from packshot.domain.libraries import Files, LibraryImage, NewLibraryImage, Place, Sort, Wanted
from packshot.services.core import Core
from packshot.storage import library
from packshot.storage.database import Tx
from packshot.storage.library_lists import list_images

INVENTORY, SESSION, OTHER_SESSION = Place(), Place("temporary", "session-1"), Place("temporary", "session-2")
NOW = 1_000
SORTS: tuple[Sort, ...] = ("id", "title", "name", "size_bytes", "created_at")
TITLES = ("Dunes", "dunes", "Straße 100%", "A_b", "back\\slash", "", "zebra")
DESCRIPTIONS = (None, "", "Sand\nand sea", "100 percent", "DUNES again")
NAMES = ("dunes.jpg", "IMG_1.jpg", "Ängström.png")
SEARCHES = ("", "", "dunes", "STRASSE", "0%", "_", "\\", "sand\nand", "ängström", "jp", "%", "no such thing", "g_1")


class Stock(NamedTuple):
    """A core, an account in it, and what that has in its libraries."""

    core: Core
    account_id: int
    images: list[LibraryImage]


def guid(number: int) -> str:
    return str(UUID(int=number))


def make(number: int, place: Place = INVENTORY, **given: Any) -> NewLibraryImage:
    """An image with somebody else; in a temporary library it expires right after NOW unless said otherwise."""
    files = Files("https://files.example.com/a.jpg")
    words = {"name": "a.jpg", "title": "", "description": None, "created_at": 0, **given}
    if place.library == "temporary":
        words.setdefault("expires_at", NOW + 1)
    return NewLibraryImage(guid=guid(number), place=place, files=files, **words)


async def put(core: Core, account_id: int, *images: NewLibraryImage, inactive: int = 0) -> None:
    """Add these images; the last *inactive* of them are not active."""

    async def work(tx: Tx) -> None:
        ids = [await library.add_image(tx, account_id, image, None) for image in images]
        for image_id in ids[len(ids) - inactive :]:
            await tx.run("UPDATE image SET active = 0 WHERE id = ?1", image_id)

    await core.db.write(work)


@pytest.fixture
async def stock(core: Core, admin: Principal) -> Stock:
    """Sixty images of one account in three places, a third of them on a product, among those of another account."""
    chance = random.Random(4)
    other, _ = await make_account(core, "other")
    product_id = await make_product(core, admin)
    images = [
        make(
            number,
            chance.choice((INVENTORY, INVENTORY, SESSION, OTHER_SESSION)),
            title=chance.choice(TITLES),
            description=chance.choice(DESCRIPTIONS),
            name=chance.choice(NAMES),
            size_bytes=chance.randrange(5),
            created_at=chance.randrange(10),
            **({"product_id": product_id, "role": "more"} if chance.random() < 0.3 else {}),
        )
        for number in range(60)
    ]
    await put(core, admin.account_id, *images, inactive=20)
    await put(core, other.account_id, *(make(number, title="Dunes") for number in range(60)))
    return Stock(
        core, admin.account_id, await library.of_guids(core.db, admin.account_id, [*map(guid, range(60))], NOW)
    )


def matching(images: list[LibraryImage], wanted: Wanted) -> list[LibraryImage]:
    """What is wanted of these images, in order."""

    def fits(image: LibraryImage) -> bool:
        parts = (image.title, image.description or "", image.name)
        return (
            image.place == wanted.place
            and (wanted.shared or image.product_id is None)
            and any(wanted.search.casefold() in part.casefold() for part in parts)
            and (wanted.guids is None or image.guid in wanted.guids)
            and wanted.active in {None, image.active}
            and (wanted.created_from is None or image.created_at >= wanted.created_from)
            and (wanted.created_before is None or image.created_at < wanted.created_before)
        )

    # The order of UTF-8 bytes is that of code points, as Python compares them.
    return sorted(
        filter(fits, images), key=lambda image: (getattr(image, wanted.sort), image.id), reverse=wanted.descending
    )


async def test_a_list_has_what_is_wanted_in_the_wanted_order(stock: Stock) -> None:
    chance = random.Random(5)
    for _ in range(1_000):
        wanted = Wanted(
            place=chance.choice((INVENTORY, INVENTORY, SESSION)),
            now=NOW,
            shared=chance.random() < 0.7,
            search=chance.choice(SEARCHES),
            guids=chance.choice((None, None, None, (), tuple(map(guid, chance.sample(range(70), 20))))),
            active=chance.choice((None, None, True, False)),
            created_from=chance.choice((None, None, 2, 11)),
            created_before=chance.choice((None, None, 8)),
            sort=chance.choice(SORTS),
            descending=chance.random() < 0.5,
            offset=chance.choice((0, 0, 1, 7, 100)),
            limit=chance.choice((1, 5, 50)),
        )

        page = await list_images(stock.core.db, stock.account_id, wanted)

        expected = matching(stock.images, wanted)
        assert page.rows == expected[wanted.offset : wanted.offset + wanted.limit], wanted
        assert page.total == len(expected), wanted


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_the_pages_of_a_list_have_each_image_once(stock: Stock, sort: Sort, *, descending: bool) -> None:
    wanted = [Wanted(now=NOW, sort=sort, descending=descending, offset=at, limit=7) for at in range(0, 60, 7)]

    rows = [image.id for each in wanted for image in (await list_images(stock.core.db, stock.account_id, each)).rows]

    assert sorted(rows) == [image.id for image in stock.images if image.place == INVENTORY]


async def test_a_search_spans_lines_within_a_part_but_never_two_parts(core: Core, admin: Principal) -> None:
    await put(core, admin.account_id, make(1, title="one\ntwo", description="three", name="four.jpg"))

    found = {
        search: (await list_images(core.db, admin.account_id, Wanted(search=search))).total
        for search in ("one\ntwo", "two\nthree", "three\nfour", "twothree", "two three")
    }

    assert found == {"one\ntwo": 1, "two\nthree": 0, "three\nfour": 0, "twothree": 0, "two three": 0}


async def test_what_has_expired_is_not_there(core: Core, admin: Principal) -> None:
    ends = {1: NOW - 1, 2: NOW, 3: NOW + 1}
    await put(core, admin.account_id, *(make(number, SESSION, expires_at=end) for number, end in ends.items()))

    page = await list_images(core.db, admin.account_id, Wanted(place=SESSION, now=NOW))

    assert [image.guid for image in page.rows] == [guid(3)]
    assert page.total == 1
