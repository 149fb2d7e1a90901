"""Seed files: what they mean, and how mistakes in them are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from packshot.cli import seed_files
from packshot.domain.errors import InvalidRequest
from packshot.domain.products import Kind
from packshot.services.demo import Drawing
from packshot.services.seeds import USUAL, Contents
from pictures import png

DRAWN = {"drawn": "mug"}


def load(folder: Path, values: Any) -> Contents:
    path = folder / "shop.json"
    path.write_text(json.dumps(values), "utf-8")
    return seed_files.load(path)


def test_toml_and_json_mean_the_same(tmp_path: Path) -> None:
    toml = tmp_path / "shop.toml"
    toml.write_text(
        '[[products]]\nkey = "mug"\nname = "Mug"\npurchasingPrice = 6.4\nactive = false\n'
        'dateActiveFrom = 2026-01-02\nimages = [{ drawn = "mug", colour = [1, 2, 3] }]\n',
        "utf-8",
    )

    by_toml = seed_files.load(toml).products[0]
    by_json = load(
        tmp_path,
        {"products": [
            {"key": "mug", "NAME": "Mug", "purchasing_price": "6.4", "active": "N",
             "dateActiveFrom": "2026-01-02T00:00:00+00:00", "images": [{"drawn": "mug", "colour": [1, 2, 3]}]},
        ]},
    ).products[0]  # fmt: skip

    assert by_toml.fields == by_json.fields
    assert by_toml.fields["active"] == 0
    assert by_toml.fields["purchasing_price"] == 6.4
    assert by_toml.pictures[0][1].source == by_json.pictures[0][1].source == Drawing("mug", (1, 2, 3), 400)


def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Contents()


def test_what_has_no_key_goes_by_its_place_and_what_names_no_catalog_by_its_kind(tmp_path: Path) -> None:
    kinds = [{"name": "a", "kind": kind} for kind in ("product", "sku", "offer", "service")]

    contents = load(tmp_path, {"products": kinds, "sections": [{"name": "s"}], "properties": [{"name": "Wall colour"}]})

    assert contents.catalogs == USUAL
    assert [one.key for one in contents.products] == ["product 1", "product 2", "product 3", "product 4"]
    assert [one.kind for one in contents.products] == [
        Kind.SIMPLE, Kind.EMPTY_PARENT, contents.products[2].kind, Kind.SERVICE,
    ]  # fmt: skip
    assert [one.catalog for one in contents.products] == ["products", "products", "variations", "products"]
    assert (contents.sections[0].key, contents.sections[0].catalog) == ("section 1", "products")
    assert contents.properties[0].property.code == "WALL_COLOUR"
    assert contents.properties[0].property.property_type == "S"


def test_an_offer_goes_to_the_variations_of_its_parents_catalog(tmp_path: Path) -> None:
    contents = load(
        tmp_path,
        {
            "catalogs": [
                {"key": "goods", "name": "Goods"}, {"key": "tools", "name": "Tools"},
                {"name": "Sizes", "productIblockId": "goods"},
                {"key": "of tools", "name": "Sizes of tools", "productIblockId": "tools"},
            ],
            "products": [
                {"key": "saw", "kind": "sku", "name": "Saw", "iblockId": "tools"},
                {"kind": "offer", "name": "Saw, L", "parentId": "saw"},
            ],
        },
    )  # fmt: skip

    assert (contents.products[1].catalog, contents.products[1].parent) == ("of tools", "saw")


def test_values_and_pictures_of_properties(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    properties = [{"key": "size", "name": "Size", "multiple": "Y"}, {"key": "label", "name": "L", "propertyType": "F"}]
    values = {"size": ["M", 4, True], "label": {"file": "a.png"}}

    (product,) = load(
        tmp_path, {"properties": properties, "products": [{"name": "a", "properties": values}]}
    ).products  # fmt: skip

    assert product.values["size"] == ("M", "4", "Y")
    (picture,) = product.values["label"]
    assert not isinstance(picture, str)
    assert (picture.name, picture.source) == ("a.png", tmp_path / "a.png")


def refused(folder: Path, values: Any) -> str:
    """What is said about the file, without where it lies."""
    with pytest.raises(InvalidRequest) as raised:
        load(folder, values)
    return str(raised.value).replace(str(folder / "shop.json"), "PATH").replace(str(folder), "FOLDER")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "The seed file PATH has to hold one object with catalogs, products and so on"),
        ({"product": []}, "In PATH: there is no 'product': do you mean products?"),
        ({"products": {}}, "In PATH: products has to be a list of tables, like [[products]]"),
        ({"products": [1]}, "In PATH: products has to be a list of tables, like [[products]]"),
        ({"products": [{}]}, "In PATH, product 1: name is missing"),
        ({"sections": [{}]}, "In PATH, section 1: The name is required"),
        ({"properties": [{"name": "Ж"}]}, "In PATH, property 1 (Ж): No code can be made from the name 'Ж': give one"),
        ({"catalogs": [{"name": ""}]}, "In PATH, catalog 1: name has to be a text, not ''"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, values: Any, message: str) -> None:
    assert refused(tmp_path, values) == message


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"prize": 1}, "there is no field prize"),
        ({"id": 5}, "there is no field id"),
        ({"iblockSection": "x"}, "there is no field iblockSection: do you mean iblockSectionId?"),
        ({"kind": "service", "weight": 5}, "there is no field weight"),
        ({"kind": "offers"}, "kind cannot be 'offers': do you mean offer?"),
        ({"sort": "first"}, "sort cannot be 'first'"),
        ({"active": "perhaps"}, "active cannot be 'perhaps'"),
        ({"iblockId": 1}, "iblockId has to be a text, not 1"),
        (
            {"iblockId": "product"},
            "iblockId = 'product' is the key of nothing before it that fits: do you mean products?",
        ),
        ({"iblockSectionId": "mugs"}, "iblockSectionId = 'mugs' is the key of nothing before it that fits"),
        ({"parentId": "mug"}, "parentId = 'mug' is the key of nothing before it that fits"),
        ({"detailTextType": "rtf"}, "The field detail_text_type must be text or html"),
        ({"properties": {"size": 1}}, "there is no property with the key 'size' in its catalog"),
        ({"properties": 1}, "properties has to be a table of values by the keys of properties"),
        ({"images": DRAWN}, "images has to be a list of tables"),
    ],
)
def test_a_mistake_in_a_product_is_told_with_a_way_out(tmp_path: Path, fields: dict[str, Any], why: str) -> None:
    message = refused(tmp_path, {"products": [{"key": "mug", "name": "Mug", **fields}]})

    assert message == f"In PATH, product 1 (mug): {why}"


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ({}, "it needs either a file or what is drawn"),
        (DRAWN | {"file": "a.png"}, "it needs either a file or what is drawn"),
        ({"file": "no.png"}, "there is no file FOLDER/no.png"),
        ({"file": "a" * 300}, f"there is no file FOLDER/{'a' * 300}"),
        ({"drawn": "mugs"}, "drawn cannot be 'mugs': do you mean mug?"),
        (DRAWN | {"colour": [1, 2, 256]}, "colour has three numbers from 0 to 255: red, green and blue"),
        (DRAWN | {"colour": "red"}, "Expected `array`, got `str` - at `colour`"),
        (DRAWN | {"sidePx": 0}, "sidePx is from 1 to 2000"),
        (DRAWN | {"view": "far"}, "view cannot be 'far': there are whole, close, pair, row"),
        (DRAWN | {"type": "LARGE"}, "type cannot be 'LARGE': there are DETAIL_PICTURE, PREVIEW_PICTURE, MORE_PHOTO"),
        (DRAWN | {"name": "a/b"}, "The file name contains invalid characters"),
        (DRAWN | {"color": [1, 2, 3]}, "there is no field color: do you mean colour?"),
    ],
)
def test_a_mistake_in_an_image_is_told_with_its_number(tmp_path: Path, image: dict[str, Any], why: str) -> None:
    message = refused(tmp_path, {"products": [{"key": "mug", "name": "Mug", "images": [DRAWN, image]}]})

    assert message == f"In PATH, product 1 (mug), image 2: {why}"


def test_what_may_be_there_once_is_refused_the_second_time(tmp_path: Path) -> None:
    same_key = [{"name": "a", "key": "x"}, {"name": "b", "key": "x"}]
    same_code = [{"name": "a", "code": "x"}, {"name": "b", "code": "x"}]
    variations = [{"name": "b", "productIblockId": "a"}, {"name": "c", "productIblockId": "a"}]

    assert refused(tmp_path, {"products": same_key}) == "In PATH, product 2 (x): the key 'x' is there already"
    for sort, name in (("products", "product"), ("sections", "section"), ("properties", "property")):
        why = f"another {name} of the catalog has the code x"
        assert refused(tmp_path, {sort: same_code}) == f"In PATH, {name} 2 (b): {why}"
    assert refused(tmp_path, {"catalogs": [{"name": "a", "key": "a"}, *variations]}) == (
        "In PATH, catalog 3 (c): the catalog 'a' holds variations itself, or has a catalog of them already"
    )


def test_an_offer_needs_a_catalog_of_variations(tmp_path: Path) -> None:
    message = refused(tmp_path, {"catalogs": [{"name": "a"}], "products": [{"name": "b", "kind": "offer"}]})

    assert message == "In PATH, product 1 (b): the catalog 'catalog 1' has no catalog of variations"


def test_files_and_texts_are_not_taken_for_each_other(tmp_path: Path) -> None:
    properties = [{"key": "size", "name": "Size"}, {"key": "label", "name": "Label", "propertyType": "F"}]
    wrong = [({"size": DRAWN}, "size takes texts and numbers"), ({"label": "a.png"}, "label takes files")]

    for values, message in wrong:
        with pytest.raises(InvalidRequest, match=message):
            load(tmp_path, {"properties": properties, "products": [{"name": "a", "properties": values}]})


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("shop.toml", b"[[products]\n", "line 1, column"),
        ("shop.json", b"{", "line 1 column"),
        ("shop.toml", b"\xff", "utf-8"),
        ("shop.json", b'{"products": [{"name": "\\ud800"}]}', "surrogates"),
        ("shop.json", b"[" * 200_000, "nested too deeply"),
        ("shop.toml", b"a = " + b"[" * 200_000, "nested too deeply"),
        ("none.toml", None, "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(InvalidRequest, match=why) as raised:
        seed_files.load(tmp_path / name)

    assert str(raised.value).startswith(f"The seed file {tmp_path / name} cannot be read: ")


@pytest.mark.parametrize(("name", "content"), [("a.json", b"{}"), ("a.toml", b"[[products]]\nname = 'a'\n")])
def test_a_byte_order_mark_is_no_mistake(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content)

    assert seed_files.load(tmp_path / name).catalogs
