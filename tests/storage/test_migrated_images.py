"""Images of the schema's step 7 go on in libraries: under their ids and addresses, with the bytes they had."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from older import IMAGES, SHOWN, add_images, found
from packshot.storage import migrations
from packshot.storage.sqlite import connect


@pytest.fixture
def old(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database at step 7 with accounts, products and blobs, and no images yet; steps are all there again."""
    connection = connect(tmp_path / "db")
    found(connection)
    yield connection
    connection.close()


def insert(connection: sqlite3.Connection) -> int:
    """The id that a new image gets."""
    ((image_id,),) = connection.execute(
        "INSERT INTO image (account_id, guid, library, name, name_folded, title, searched, hires_uri, size_bytes,"
        " width_px, height_px, created_at) VALUES (1, 'new', 'inventory', 'a', 'a', 'a', 'a', 'https://a.example/', 1,"
        " 1, 1, 5) RETURNING id"
    ).fetchall()
    return int(image_id)


def test_images_keep_all_that_they_had(old: sqlite3.Connection) -> None:
    add_images(old)
    before, values = old.execute(SHOWN).fetchall(), old.execute("SELECT * FROM property_value").fetchall()

    migrations.migrate(old)

    assert len(before) == IMAGES * 2 // 3
    assert old.execute(SHOWN).fetchall() == before
    assert old.execute("SELECT * FROM property_value").fetchall() == values
    assert old.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_product_images_stand_in_the_inventory_and_files_of_values_in_no_library(old: sqlite3.Connection) -> None:
    add_images(old)

    migrations.migrate(old)

    places = "SELECT DISTINCT property_id IS NULL, library, session_id, site_id, expires_at, updated_at FROM image"
    nowhere = (None,) * 4
    assert sorted(old.execute(places).fetchall()) == [(0, None, *nowhere), (1, "inventory", *nowhere)]
    told = (
        "SELECT title, description, searched, size_bytes, width_px, height_px, hires_uri, active FROM image WHERE id ="
    )
    assert old.execute(f"{told} 3").fetchall() == [("Ä 3.png", None, "ä 3.png\n\nä 3.png", 9, 3, 2, None, 1)]
    assert old.execute(f"{told} 5").fetchall() == [("Ä 5.png", None, "ä 5.png\n\nä 5.png", 8, 4, 5, None, 1)]


def test_every_image_gets_a_guid_of_its_own(old: sqlite3.Connection) -> None:
    add_images(old)

    migrations.migrate(old)

    guids = [row[0] for row in old.execute("SELECT guid FROM image")]
    assert [str(UUID(guid)) for guid in guids] == guids
    assert {(UUID(guid).version, UUID(guid).variant) for guid in guids} == {(4, "specified in RFC 4122")}
    assert {guid[19] for guid in guids} == set("89ab")
    assert len(set(guids)) == len(guids)


@pytest.mark.parametrize("left", ["some", "none"])
def test_ids_of_images_that_are_gone_are_never_used_again(old: sqlite3.Connection, left: str) -> None:
    add_images(old)
    if left == "none":
        old.execute("DELETE FROM image")

    migrations.migrate(old)

    assert insert(old) == IMAGES + 1
    assert old.execute("SELECT name FROM sqlite_sequence WHERE name LIKE 'image%'").fetchall() == [("image",)]


def test_a_store_that_never_had_an_image_begins_with_1(old: sqlite3.Connection) -> None:
    migrations.migrate(old)

    assert insert(old) == 1


def test_what_points_at_an_image_still_goes_along_with_it(old: sqlite3.Connection) -> None:
    add_images(old)

    migrations.migrate(old)

    assert old.execute("PRAGMA foreign_keys").fetchall() == [(1,)]
    old.execute("DELETE FROM image WHERE property_id IS NOT NULL")
    assert old.execute("SELECT * FROM property_value").fetchall() == []
    old.execute("DELETE FROM product WHERE id = 8")
    assert old.execute("SELECT DISTINCT product_id FROM image").fetchall() == [(7,)]
    with pytest.raises(sqlite3.IntegrityError):
        old.execute("DELETE FROM blob WHERE id = 1")
    with pytest.raises(sqlite3.IntegrityError):
        old.execute("INSERT INTO selection VALUES (1, 'mine', 0, 1)")
