"""Calls at the FinerWorks door about the virtual inventory, made as clients make them."""

from typing import Any

from library_calls import V3
from packshot.domain.inventory import LINK_FIELDS

FIELDS = [field for fields in LINK_FIELDS.values() for field in fields]
"""All ids of a product in shops."""


async def listed(v3: V3, **params: Any) -> Any:
    answer = await v3("POST", "list_virtual_inventory", json=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def skus(v3: V3, **params: Any) -> list[str]:
    return [product["sku"] for product in (await listed(v3, **params))["products"]]


async def updated(v3: V3, *changes: Any, **params: Any) -> Any:
    answer = await v3("PUT", "update_virtual_inventory", json={"virtual_inventory": changes, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def linked(v3: V3, sku: str, **links: Any) -> Any:
    """All links of a product after these were sent."""
    answer = await updated(v3, {"sku": sku, "third_party_integrations": links})
    return answer["products"][0]["third_party_integrations"]


async def submitted(v3: V3, image: Any, status: int = 200, **more: Any) -> Any:
    product = {"product_qty": 1, "product_sku": "5M41M9S8X10", "product_image": {"library_file": {"guid": image}}}
    answer = await v3("POST", "submit_product", json={"product": product, "mode": "store", **more})
    assert answer.status_code == status, answer.text
    return answer.json()
