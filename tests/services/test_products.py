"""Products that are changed at once: parents know whether they have variations, and a code is one product's alone."""

import asyncio
import random
from collections.abc import Awaitable

import pytest

from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, NotFound
from packshot.domain.products import PARENTS, VARIATIONS, Fields, Kind
from packshot.services import products
from packshot.services.core import Core
from packshot.services.setup import Seed

ROUNDS = 30
AT_ONCE = 8


async def add(core: Core, admin: Principal, kind: Kind, **fields: str | int | None) -> int:
    made: Fields = {"name": "Shirt", **fields}
    return int((await products.add(core, admin, kind, made)).fields["id"] or 0)


def some_change(core: Core, admin: Principal, seed: Seed, chance: random.Random, ids: list[int]) -> Awaitable[object]:
    """A variation that comes, moves or goes, or now and then a parent that goes; ids are those of three parents."""
    variations, parent = ids[3:] or [0], chance.choice(ids[:3])
    match chance.choices(["add", "move", "remove", "remove parent"], [80, 50, 80, 1]):
        case ["add"]:
            return add(core, admin, Kind.VARIATION, catalog_id=seed.variations_id, parent_id=parent)
        case ["move"]:
            change: Fields = {"parent_id": chance.choice([parent, None])}
            return products.update(core, admin, chance.choice(variations), VARIATIONS, change)
        case ["remove"]:
            return products.remove(core, admin, chance.choice(variations), VARIATIONS)
        case _:
            return products.remove(core, admin, parent, PARENTS)


@pytest.mark.parametrize("number", range(3))
async def test_a_parent_is_empty_just_when_it_has_no_variations_whatever_happens_at_once(
    core: Core, admin: Principal, seed: Seed, number: int
) -> None:
    chance = random.Random(number)
    parents = [await add(core, admin, Kind.PARENT, catalog_id=seed.catalog_id) for _ in range(3)]

    for _ in range(ROUNDS):
        rows = await core.db.all("SELECT id FROM product WHERE kind IN (4, 5) ORDER BY id")
        ids = parents + [row[0] for row in rows]
        changes = [some_change(core, admin, seed, chance, ids) for _ in range(AT_ONCE)]
        results = await asyncio.gather(*changes, return_exceptions=True)

        assert {type(result) for result in results if isinstance(result, BaseException)} <= {NotFound}
        wrong = await core.db.all(
            "SELECT p.id, p.kind, p.available, count(v.id) FROM product p LEFT JOIN product v ON v.parent_id = p.id"
            " WHERE p.kind IN (3, 6) GROUP BY p.id"
            " HAVING (p.kind = 3) <> (count(v.id) > 0) OR (p.available = 1) <> (p.kind = 3)"
        )
        lone = await core.db.all("SELECT id FROM product WHERE kind IN (4, 5) AND (kind = 4) <> (parent_id > 0)")
        assert wrong + lone == []


async def test_of_products_that_come_at_once_with_one_code_one_gets_it(
    core: Core, admin: Principal, seed: Seed
) -> None:
    results = await asyncio.gather(
        *(add(core, admin, Kind.SIMPLE, catalog_id=seed.catalog_id, code="one", xml_id="same") for _ in range(AT_ONCE)),
        return_exceptions=True,
    )

    assert [type(result) for result in results if not isinstance(result, int)] == [Conflict] * (AT_ONCE - 1)
    assert len(await core.db.all("SELECT 1 FROM product WHERE code = 'one'")) == 1


async def test_outer_ids_may_be_shared(core: Core, admin: Principal, seed: Seed) -> None:
    ids = [await add(core, admin, Kind.SIMPLE, catalog_id=seed.catalog_id, xml_id="same") for _ in range(2)]

    assert len(set(ids)) == 2
