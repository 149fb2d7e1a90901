"""Calls at the FinerWorks door about images, made as clients make them."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

V3 = Callable[..., Awaitable[httpx.Response]]

GUID = "2d273599-962a-498c-be07-cec9e80bacf2"

LIBRARY_CALLS: dict[str, tuple[str, Any]] = {
    "test_my_credentials": ("GET", None),
    "get_user": ("GET", None),
    "get_company_info": ("GET", None),
    "add_event": ("POST", {"type": "t", "name": "n"}),
    "add_images": ("POST", {"images": [{"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg"}]}),
    "delete_images": ("DELETE", {"guids": ["$guid"]}),
    "update_file_selection": ("PUT", {"guid": GUID, "guids": ["$guid"]}),
    "list_file_selection": ("GET", None),
    "list_images": ("POST", {}),
    "update_images": ("PUT", {"images": [{"guid": "$guid", "title": "Dunes"}]}),
    "list_virtual_inventory": ("POST", {}),
    "update_virtual_inventory": ("PUT", {"virtual_inventory": [{"sku": "$sku", "asking_price": 10}]}),
    "delete_virtual_inventory": ("DELETE", {"skus": ["$sku"]}),
    "disconnect_virtual_inventory": ("PUT", {"platform": "etsy"}),
    "submit_product": ("POST", {"mode": "store", "product": {"product_sku": "5M41", "product_guid": "$guid"}}),
    "delete_preview": ("POST", {"guids": ["$guid"]}),
    "describe_images": ("POST", {"guids": ["$hosted"]}),
    "sign_renditions": ("POST", {"guid": "$hosted", "renditions": ["card"]}),
    "update_pictures": ("PUT", {"images": [{"guid": "$hosted", "focus": {"x": 0.1, "y": 0.2}}]}),
}
"""For every FinerWorks method that is not an upload, its verb and one valid call.

`$guid` lies with somebody else, `$hosted` is hosted here, `$sku` is sold of the first one.
"""


async def added(v3: V3, library: Any = None, **fields: Any) -> Any:
    """A new image that lies with somebody else, as add_images answers it."""
    image = {"file_name": "photo.jpg", "private_hires_uri": "https://img.example/h/photo.jpg"} | fields
    answer = await v3("POST", "add_images", json={"images": [image], "library": library})
    assert answer.status_code == 200, answer.text
    return answer.json()["images"][0]


async def listed(v3: V3, **params: Any) -> Any:
    answer = await v3("POST", "list_images", json=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def titles(v3: V3, **params: Any) -> list[str]:
    return [image["title"] for image in (await listed(v3, **params))["images"]]


async def updated(v3: V3, *changes: Any, **params: Any) -> Any:
    answer = await v3("PUT", "update_images", json={"images": changes, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(v3: V3, verb: str, method: str, params: Any) -> str:
    """The field that a call is refused for."""
    answer = await v3(verb, method, json=params)
    assert answer.status_code == 400, answer.text
    (field,) = answer.json()["ModelState"]
    return str(field)
