"""Calls at the FinerWorks door about images, made as clients make them."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

V3 = Callable[..., Awaitable[httpx.Response]]


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
