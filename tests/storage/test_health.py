"""What PostgreSQL is asked about itself; SQLite's own checks are in tests of verify and doctor."""

import asyncpg

import postgres
from packshot.storage import health
from packshot.storage.database import DatabaseSettings
from packshot.storage.migrations import on_postgresql
from packshot.storage.postgresql import open_postgresql

WRONG = """
ALTER TABLE image ADD CONSTRAINT believed CHECK (size_bytes > -7) NOT VALID;
ALTER TABLE blob DISABLE TRIGGER blob_counted;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'image_of_blob'::regclass;
SET session_replication_role = replica;
INSERT INTO product_section (product_id, section_id) VALUES (7, 8), (7, 9);
"""


async def test_what_is_not_in_force_and_what_points_at_nothing_is_named() -> None:
    url = postgres.new()
    await on_postgresql.create(url)
    db = await open_postgresql(DatabaseSettings(url=url))
    sound = [*await health.integrity_errors(db, full=True), *await health.foreign_key_errors(db)]
    connection = await asyncpg.connect(url)
    await connection.execute(WRONG)
    await connection.close()

    errors = await health.integrity_errors(db, full=False)
    lost = await health.foreign_key_errors(db)

    assert sound == []
    assert errors == [
        "the index image_of_blob is not valid",
        "the rule believed was never checked",
        "the trigger blob_counted is off",
    ]
    assert sorted(lost) == [
        "a row of product_section points at no row of product: product_id is 7",
        "a row of product_section points at no row of product: product_id is 7",
        "a row of product_section points at no row of section: section_id is 8",
        "a row of product_section points at no row of section: section_id is 9",
    ]
    await db.close()
