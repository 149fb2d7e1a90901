"""Both dialects give the same rows in the same order: for the same filters, orders, pages and searches."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, get_args

import pytest

import postgres
from build import fail_loudly
from packshot.domain.audit import Deed, Sought, Touched
from packshot.domain.catalogs import Property, Section
from packshot.domain.inventory import NewInventoryProduct
from packshot.domain.libraries import Files, NewLibraryImage, Place, Sort, Wanted
from packshot.domain.paging import Condition, Operator, Ordering, Query, Value
from packshot.domain.products import FIELDS, Kind
from packshot.storage import (
    accounts,
    audit,
    catalogs,
    inventory,
    library,
    library_lists,
    migrations,
    products,
    property_values,
)
from packshot.storage.database import Database, DatabaseSettings, Reads, Tx
from packshot.storage.postgresql import open_postgresql
from packshot.storage.sqlite import open_sqlite

ROWS = 40
QUERIES = 60
WORDS = (
    "Shirt", "shirt", "SHIRT",
    "Ärmel", "ärmel", "Straße", "STRASSE", "İstanbul", "\u0131l\u0131k", "Σίσυφος", "ΣΊΣΥΦΟΣ",
    "Ǆ", "ﬀ", "Њ", "футболка", "ФУТБОЛКА", "長袖", "ながそで", "قميص", "חולצה", "शर्ट", "👕", "e\u0301", "é", "Å", "K",
    "100%", "a_b", "a\\b", "a b", "\n", "'", '"', "zz", "Z", "a", "B", "_", "%", "~", "\uffff", "\U0001f600",
)  # fmt: skip
VALUES: dict[str, tuple[Value, ...]] = {
    "integer": (0, 1, -1, 2, 7, 2**31, -(2**63), 2**63 - 1),
    "number": (0, 1, 0.5, -2.25, 10.0, 1e15, 123.456),
    "moment": (0, 1, 1_800_000_000_000_000),
    "flag": (0, 1),
    "mode": (0, 1, 2),
    "text": WORDS,
}
REFERENCES = {"id", "catalog_id", "kind", "parent_id", "section_id"}
MAY_LACK = {"code", "xml_id", "active_from", "active_to", "preview_text", "detail_text", "measure", "vat_id",
            "purchasing_currency", "recur_scheme_length", "recur_scheme_type", "trial_price_id",
            *(name for name, kind in FIELDS.items() if kind == "number")}  # fmt: skip

MAIN, CATALOG = 1, 1
Ask = Callable[[Reads], Awaitable[Any]]


class Asked(NamedTuple):
    """A question, and what it was made of."""

    ask: Ask
    words: Any


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[list[Database]]:
    """An empty store in each dialect."""
    migrations.prepare(folder / "db")
    with postgres.lent() as url:
        stores: list[Database] = [
            open_sqlite(folder / "db", fail_loudly),
            await open_postgresql(DatabaseSettings(url=url)),
        ]
        try:
            yield stores
        finally:
            for store in stores:
                await store.close()


# What is in them


async def fill(tx: Tx, random: Random) -> None:
    """The same for the same *random*: rows of every list, the account's and another one's."""
    for account_id, name in ((MAIN, "main"), (MAIN + 1, "other")):
        assert await accounts.add_account(tx, name, 0, name) == account_id
        catalog_id = await catalogs.add_catalog(tx, account_id, random.choice(WORDS))
        for number in range(ROWS if account_id == MAIN else 3):
            await add_product(tx, random, account_id, catalog_id, number)
            await add_parts(tx, random, account_id, catalog_id, number)
            await add_image(tx, random, account_id, number)


async def add_product(tx: Tx, random: Random, account_id: int, catalog_id: int, number: int) -> None:
    fields: dict[str, Value] = {
        name: None if name in MAY_LACK and random.random() < 0.3 else random.choice(VALUES[kind])
        for name, kind in FIELDS.items()
        if name not in REFERENCES
    }
    fields |= {"catalog_id": catalog_id, "kind": 1, "code": fields["code"] and f"{fields['code']} {number}"}
    product_id = await products.add_product(tx, account_id, fields)
    for _ in range(random.randrange(3)):
        await property_values.add_value(
            tx, account_id, product_id, random.choice([1, 2]), multiple=True, held=random.choice(WORDS)
        )


async def add_parts(tx: Tx, random: Random, account_id: int, catalog_id: int, number: int) -> None:
    def maybe(*values: Any) -> Any:
        return random.choice([None, *values])

    sort = random.choice([1, 2, 500])
    new = Section(
        catalog_id, random.choice(WORDS), None, maybe(f"c{number}"), maybe(*WORDS), sort, description=maybe("x")
    )
    await catalogs.add_section(tx, account_id, new, random.randrange(3))
    await catalogs.add_property(
        tx, account_id, catalog_id,
        Property(f"P{number}", random.choice(WORDS), "S", multiple=bool(number % 2), hint=maybe(*WORDS), sort=sort),
        random.randrange(3),
    )  # fmt: skip
    await audit.add(
        tx,
        Deed(account_id, number, "added", "m", random.choice(WORDS), "r"),
        [Touched(number, f"g{number}", "n", None)],
    )


async def add_image(tx: Tx, random: Random, account_id: int, number: int) -> None:
    new = NewLibraryImage(
        guid=f"{account_id}-{number}", place=Place(), name=random.choice(WORDS), title=random.choice(WORDS),
        description=random.choice([None, *WORDS]), created_at=random.randrange(4), size_bytes=random.randrange(4),
        files=Files("https://img.example/1.png"),
    )  # fmt: skip
    image_id = await library.add_image(tx, account_id, new, None)
    (image,) = await library.of_ids(tx, account_id, [image_id])
    product = NewInventoryProduct(
        guid=f"p{account_id}-{number}", product_code=random.choice("AB"), name=random.choice(WORDS)
    )
    await inventory.add_product(tx, account_id, image, product, random.randrange(4))


# What is asked


def pattern(random: Random) -> str:
    word = random.choice(WORDS)
    first = random.randrange(len(word))
    part = word[first : first + random.randrange(1, 4)]
    return random.choice([word, part, f"{part}%", f"%{part}", f"%{part}%", part.swapcase()])


def condition(random: Random, field: str, kind: str) -> Condition:
    operator: Operator = random.choice(get_args(Operator))
    if "contains" in operator or "like" in operator:
        wanted = pattern(random) if kind in {"text", "flag"} else random.choice("0123456789") + random.choice(["", "%"])
        return Condition(field, operator, (wanted,))
    values = VALUES[kind] if random.random() < 0.9 else (None,)
    many = random.randrange(4) if operator in {"=", "!="} else 1
    return Condition(field, operator, tuple(random.choice(values) for _ in range(many)))


def query(random: Random, fields: Mapping[str, str], unsorted: frozenset[str] = frozenset()) -> Query:
    sorts = [field for field in fields if field not in unsorted]
    return Query(
        [condition(random, field, fields[field]) for field in random.choices(list(fields), k=random.randrange(3))],
        [Ordering(field, random.random() < 0.5) for field in random.choices(sorts, k=random.randrange(3))],
        offset=random.choice([0, 0, 3, 100]),
        limit=random.choice([5, 50]),
    )


def of_products(random: Random) -> Asked:
    fields = {**FIELDS, "property1": "text", "property2": "text"}
    wanted = query(random, fields, frozenset({"property1", "property2"}))
    return Asked(
        lambda reads: products.list_products(reads, MAIN, {Kind.SIMPLE}, ["id", "name", "code"], wanted), wanted
    )


def of_sections(random: Random) -> Asked:
    fields = {"id": "integer", "name": "text", "code": "text", "xml_id": "text", "sort": "integer",
              "parent_id": "integer", "description": "text", "active": "flag"}  # fmt: skip
    wanted = query(random, fields)
    return Asked(lambda reads: catalogs.list_sections(reads, MAIN, wanted), wanted)


def of_properties(random: Random) -> Asked:
    wanted = query(
        random,
        {"id": "integer", "name": "text", "code": "text", "hint": "text", "sort": "integer", "multiple": "flag",
         "link_catalog_id": "integer", "changed_at": "integer"},
    )  # fmt: skip
    return Asked(lambda reads: catalogs.list_properties(reads, MAIN, wanted), wanted)


def of_inventory(random: Random) -> Asked:
    fields = {"id": "integer", "name": "text", "created_at": "integer", "searched": "text", "sku": "text",
              "product_code": "text", "image_guid": "text", "link": "text"}  # fmt: skip
    wanted = query(random, fields, frozenset({"sku", "product_code", "image_guid", "link", "searched"}))
    return Asked(lambda reads: inventory.list_products(reads, MAIN, wanted), wanted)


def of_library(random: Random) -> Asked:
    sort: Sort = random.choice(get_args(Sort))
    wanted = Wanted(
        search=random.choice(["", pattern(random)]), active=random.choice([None, True]), sort=sort,
        created_from=random.choice([None, 1]), created_before=random.choice([None, 3]),
        guids=random.choice([None, None, tuple(f"1-{number}" for number in range(9))]),
        descending=random.random() < 0.5, shared=random.random() < 0.5, offset=random.choice([0, 3, 100]),
    )  # fmt: skip
    return Asked(lambda reads: library_lists.list_images(reads, MAIN, wanted), wanted)


def of_audit(random: Random) -> Asked:
    wanted = Sought(by=pattern(random), since=random.choice([None, 7]), before_id=random.choice([None, 30]))
    return Asked(lambda reads: audit.of_entries(reads, MAIN, wanted, 10), wanted)


@pytest.mark.parametrize("seed", range(2))
async def test_the_same_question_has_the_same_answer(tmp_path: Path, seed: int) -> None:
    async with both(tmp_path) as stores:
        for store in stores:
            await store.write(lambda tx: fill(tx, Random(seed)))
        random, seen = Random(seed), 0
        for number in range(QUERIES):
            for make in (of_products, of_sections, of_properties, of_inventory, of_library, of_audit):
                asked = make(random)

                one, other = [await asked.ask(store) for store in stores]

                assert one == other, (number, asked.words)
                seen += len(getattr(one, "rows", one))
        assert seen > 10 * QUERIES
