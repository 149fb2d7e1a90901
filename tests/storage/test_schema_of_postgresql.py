"""What the steps say in PostgreSQL's own words does what SQLite's do."""

import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

import postgres

FILLED = """
INSERT INTO account (id, name, created_at, quota_bytes) VALUES (1, 'main', 5, 1000), (2, 'unlimited', 5, NULL);
INSERT INTO catalog (id, account_id, name) VALUES (1, 1, 'Products');
INSERT INTO product (id, account_id, catalog_id, kind, name, name_folded, active, available, bundle, sort, created_by,
    modified_by, created_at, changed_at, preview_text_type, detail_text_type, vat_included, can_buy_zero,
    quantity_trace, subscribe, barcode_multi, without_order)
    VALUES (7, 1, 1, 1, 'Shirt', 'shirt', 1, 1, 0, 100, 1, 1, 5, 5, 'text', 'text', 0, 0, 2, 2, 0, 0);
INSERT INTO audit (account_id, at, action, method, who, request_id, image_id, guid, name, details)
    SELECT 1, number, 'added', 'm', 'w', 'r', number, 'guid', 'name', '{}' FROM generate_series(1, 5) number;
"""
BLOB = """
INSERT INTO blob (id, account_id, digest, key, size_bytes, media_type, width_px, height_px, frames, state, created_at)
    VALUES ($1, $2, 'd', 'd.' || $1::bigint, 300, 'image/png', 3, 2, 1, $3, 5)
"""

KNOWN = unicodedata.ucd_3_2_0
"""What Python and any PostgreSQL agree on, whichever of them is the newer one."""

Connection = Any


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    with postgres.lent() as url:
        opened = await asyncpg.connect(url)
        try:
            await opened.execute(FILLED)
            yield opened
        finally:
            await opened.close()


async def test_case_is_folded_as_python_does_but_in_cherokee(connection: Connection) -> None:
    every = [chr(code) for code in range(2, 0x110000) if KNOWN.category(chr(code)) not in {"Cn", "Cs"}]

    rows = await connection.fetch("SELECT one, fold_case(one) FROM unnest($1::text[]) one", every)

    apart = {one for one, folded in rows if folded != one.casefold()}
    assert {KNOWN.name(one).split()[0] for one in apart} == {"CHEROKEE"}
    assert len(every) > 90_000


@pytest.mark.parametrize("text", ["ΟΔΟΣ ΣΑΣ.", "Straße STRAẞE", "İstanbul \u0131s\u0131", "Москва", "Ǆungla ﬁne ŉ", ""])
async def test_words_are_folded_as_python_does(connection: Connection, text: str) -> None:
    assert await connection.fetchval("SELECT fold_case($1)", text) == text.casefold()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET who = 'somebody else' WHERE id = 3",
        "UPDATE audit SET product_id = 7",
        "UPDATE audit SET name = 'another' WHERE id = 3",
        "INSERT INTO audit SELECT * FROM audit WHERE id = 3",
        "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET who = 'somebody else'",
        "DELETE FROM audit WHERE id = 3",
        "DELETE FROM audit WHERE id > 1",
    ],
)
async def test_the_audit_log_is_never_changed(connection: Connection, change: str) -> None:
    before = await connection.fetch("SELECT * FROM audit ORDER BY id")

    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await connection.execute(change)

    assert await connection.fetch("SELECT * FROM audit ORDER BY id") == before


async def test_the_audit_log_can_be_blanked_and_cut_off_at_its_oldest_end(connection: Connection) -> None:
    await connection.execute("UPDATE audit SET guid = '', name = '', details = '' WHERE image_id = 4")
    await connection.execute("DELETE FROM audit WHERE id <= 3")

    assert [tuple(row) for row in await connection.fetch("SELECT id, guid FROM audit ORDER BY id")] == [
        (4, ""),
        (5, "guid"),
    ]


async def test_bytes_of_live_blobs_are_counted_where_there_is_a_quota(connection: Connection) -> None:
    counted: list[list[int]] = []

    for change in ("live", "doomed", "corrupt", "live"):
        for account_id in (1, 2):
            if not counted:
                await connection.execute(BLOB, account_id, account_id, change)
            await connection.execute("UPDATE blob SET state = $1 WHERE id = $2", change, account_id)
        counted.append([row[0] for row in await connection.fetch("SELECT live_bytes FROM account ORDER BY id")])

    assert counted == [[300, 0], [0, 0], [0, 0], [300, 0]]


async def test_texts_that_may_be_long_fit_into_their_indexes(connection: Connection) -> None:
    long = "".join(chr(0x10400 + number * 7919 % 8000) for number in range(65_535))  # does not compress well

    await connection.execute(
        "INSERT INTO property_value (account_id, product_id, property_id, multiple, text) VALUES (1, 7, 5, 0, $1)", long
    )
    await connection.execute(
        "INSERT INTO image (account_id, guid, library, name, name_folded, title, searched, size_bytes, width_px,"
        " height_px, hires_uri, created_at) VALUES (1, 'g', 'inventory', 'n', 'n', 't', $1, 1, 1, 1, 'u', 5)",
        long,
    )

    assert await connection.fetchval("SELECT count(*) FROM property_value WHERE text = $1", long) == 1


async def test_ids_are_never_used_twice(connection: Connection) -> None:
    add = "INSERT INTO account (name, created_at) VALUES ($1, 5) RETURNING id"
    await connection.execute("SELECT setval(pg_get_serial_sequence('account', 'id'), 2)")
    last = await connection.fetchval(add, "gone")
    await connection.execute("DELETE FROM account WHERE id = $1", last)

    assert await connection.fetchval(add, "next") == last + 1
