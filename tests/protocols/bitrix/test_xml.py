"""Answers as XML (sheet section 1.5): whatever a result holds, a parser reads it."""

from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pictures
from build import make_image
from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.protocols.bitrix import as_xml
from packshot.services.core import Core

XML = "text/xml; charset=utf-8"


def texts(element: ET.Element) -> Any:
    """An element as nested mappings and texts; items as lists."""
    children = list(element)
    if not children:
        return element.text or ""
    if {child.tag for child in children} == {"item"}:
        return [texts(child) for child in children]
    return {child.tag: texts(child) for child in children}


@pytest.mark.parametrize("ending", [".xml", ".XML", ".xml/", ".xml//"])
async def test_a_method_that_ends_in_xml_is_answered_in_xml(
    client: httpx.AsyncClient, hook: str, image: ProductImage, ending: str
) -> None:
    answer = await client.get(f"{hook}catalog.productImage.list{ending}?productId={image.product_id}")

    root = ET.fromstring(answer.content)
    assert answer.headers["content-type"] == XML
    assert answer.content.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    assert root.tag == "response"
    assert [child.tag for child in root] == ["result", "total", "time"]
    assert root.findtext("result/productImages/item/name") == image.name
    assert root.findtext("total") == "1"


async def test_errors_and_true_are_xml_too(client: httpx.AsyncClient, hook: str, image: ProductImage) -> None:
    url = f"{hook}catalog.productImage.delete.xml?productId={image.product_id}&id={image.id}"

    first, second = await client.get(url), await client.get(url)

    assert texts(ET.fromstring(first.content))["result"] == "1"
    assert second.status_code == 400
    assert texts(ET.fromstring(second.content)) == {
        "error": "0",
        "error_description": "Image with the specified identifier not found",
    }


async def test_an_unknown_method_and_a_wrong_code_are_answered_in_xml(client: httpx.AsyncClient, hook: str) -> None:
    unknown = await client.get(f"{hook}no.such.xml")
    wrong = await client.get("/rest/1/wrong/catalog.catalog.list.xml")

    assert (unknown.status_code, unknown.headers["content-type"]) == (404, XML)
    assert (wrong.status_code, wrong.headers["content-type"]) == (401, XML)


async def test_keys_of_a_batch_that_name_no_element_become_attributes(client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(f"{hook}batch.xml", json={"cmd": {"good": "scope", "<b> & 1": "scope", "7": "scope"}})

    result = ET.fromstring(answer.content).find("result/result")
    assert result is not None
    assert [(child.tag, child.get("key")) for child in result] == [("good", None), ("item", "<b> & 1"), ("item", "7")]


async def test_names_full_of_markup_come_back_as_they_were(
    client: httpx.AsyncClient, hook: str, core: Core, admin: Principal, product: int
) -> None:
    name = "]]&gt;&amp;'é語😀.png"
    await make_image(core, admin, product, pictures.png(), name=name)

    answer = await client.get(f"{hook}catalog.productImage.list.xml?productId={product}")

    assert ET.fromstring(answer.content).findtext("result/productImages/item/name") == name


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_any_answer_at_all_is_well_formed(answer: dict[str, Any]) -> None:
    root = ET.fromstring(as_xml.encode(answer))

    assert len(root) == len(answer)
