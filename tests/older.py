"""Stores as an older version left them: at the schema's step 7, with images of two accounts in every role."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from packshot.storage import migrations
from packshot.storage.sqlite import connect

OLD = 7
IMAGES = 400
"""How many images there were; every third one is gone since, the last one among them."""

FILLED = """
INSERT INTO account (id, name, created_at, member_id) VALUES (1, 'main', 5, 'a'), (2, 'other', 5, 'b');
INSERT INTO catalog (id, account_id, name) VALUES (1, 1, 'Products'), (2, 2, 'Products');
INSERT INTO product (id, account_id, catalog_id, kind, name, name_folded, active, available, bundle, sort, created_by,
    modified_by, created_at, changed_at, preview_text_type, detail_text_type, vat_included, can_buy_zero,
    quantity_trace, subscribe, barcode_multi, without_order)
    VALUES (7, 1, 1, 1, 'Shirt', 'shirt', 1, 1, 0, 100, 1, 1, 5, 5, 'text', 'text', 0, 0, 2, 2, 0, 0),
        (8, 2, 2, 1, 'Mug', 'mug', 1, 1, 0, 100, 1, 1, 5, 5, 'text', 'text', 0, 0, 2, 2, 0, 0);
INSERT INTO blob (id, account_id, digest, key, size_bytes, media_type, width_px, height_px, frames, state, created_at)
    VALUES (1, 1, 'd', 'd.1', 9, 'image/png', 3, 2, 1, 'live', 5),
        (2, 2, 'd', 'd.2', 9, 'image/png', 3, 2, 1, 'live', 5),
        (3, 1, 'e', 'e.1', 8, 'image/gif', 4, 5, 2, 'corrupt', 5);
"""

IMAGE = """
INSERT INTO image (id, account_id, product_id, role, name, name_folded, address, blob_id, created_at, property_id)
    VALUES (?1, ?2, ?3, ?4, 'Ä ' || ?1 || '.png', 'ä ' || ?1 || '.png', 'abc/' || ?1, ?5, ?1 + 10, ?6)
"""

SHOWN = (
    "SELECT id, account_id, product_id, role, name, name_folded, address, blob_id, created_at, property_id"
    " FROM image ORDER BY id"
)


def found(connection: sqlite3.Connection) -> None:
    """Bring an empty database to the old step, with accounts, products and blobs, and no images yet."""
    every = migrations.steps()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "steps", lambda: every[:OLD])
        migrations.migrate(connection)
    connection.executescript(FILLED)


def add_images(connection: sqlite3.Connection) -> None:
    """Images of two accounts in every role, and some that are the file of a property's value."""
    for number in range(1, IMAGES + 1):
        account_id, product_id, blob_id = (2, 8, 2) if number % 4 == 0 else (1, 7, 3 if number == 5 else 1)
        role = {2: "detail", 3: "preview"}.get(number, "more")
        property_id = 77 if number % 10 == 7 else None
        connection.execute(IMAGE, (number, account_id, product_id, role, blob_id, property_id))
        if property_id:
            connection.execute(
                "INSERT INTO property_value (account_id, product_id, property_id, multiple, image_id)"
                " VALUES (?1, ?2, 77, 1, ?3)",
                (account_id, product_id, number),
            )
    connection.execute("DELETE FROM image WHERE id % 3 = ?1", (IMAGES % 3,))


def make(path: Path) -> None:
    """An old database with its images, as a server leaves it after a clean stop."""
    with closing(connect(path)) as connection:
        found(connection)
        connection.execute("BEGIN")  # a flush for each of them would take seconds
        add_images(connection)
        connection.execute("COMMIT")


def look(path: Path) -> tuple[int, list[tuple[object, ...]]]:
    """The step that a database is at, and the images in it as both versions know them."""
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return migrations.version(connection), connection.execute(SHOWN).fetchall()
