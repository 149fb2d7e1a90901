"""catalog.productImage.add, get, list, delete and getFields."""

from collections.abc import Callable
from datetime import tzinfo
from functools import partial
from typing import Any

from packshot.domain.errors import InvalidRequest
from packshot.domain.images import ImageRole, ProductImage, public_path
from packshot.domain.paging import Value
from packshot.protocols.bitrix import uploads, wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.wire import Field
from packshot.services import downloads, images
from packshot.services.core import Core

TYPES: dict[ImageRole, str] = {"detail": "DETAIL_PICTURE", "preview": "PREVIEW_PICTURE", "more": "MORE_PHOTO"}
_ROLES: dict[str, ImageRole] = {name: role for role, name in TYPES.items()}


async def add(call: Call) -> Answer:
    """Add or replace a picture of a product; `result.productImage` is the new image.

    Source: page catalog.productImage.add.
    """
    values = wire.fields(call.params)
    upload = uploads.upload(wire.param(call.params, "fileContent"))
    wire.required(values, ("productId",))
    role = _role(wire.param(values, "type"))
    image = await call.once(images.add_to_product, wire.identifier(values, "productId"), role, upload)
    return Answer({"productImage": _writer(call)(image)})


async def get(call: Call) -> Answer:
    """One image of a product. Source: page catalog.productImage.get."""
    image = await images.get(call.core, call.caller, *_place(call))
    return Answer({"productImage": _writer(call)(image)})


async def list_(call: Call) -> Answer:
    """A page of a product's images, under the one key `productImages`. Source: page catalog.productImage.list."""
    product_id = wire.identifier(call.params, "productId")
    wanted = wire.query(call.params, _filters(call.zone))
    chosen = wire.selection(call.params, _NAMES)
    page = await images.list_of_product(call.core, call.caller, product_id, wanted)
    return wire.listed("productImages", page, wanted, _writer(call, chosen))


async def delete(call: Call) -> Answer:
    """Delete an image of a product; `result` is true. Source: page catalog.productImage.delete."""
    await call.once(images.remove_from_product, *_place(call))
    return Answer(result=True)


async def get_fields(_: Call) -> Answer:
    """What each field of an image is. Source: page catalog.productImage.getFields."""
    return Answer({"productImage": DESCRIPTION})


def _described(kind: str, *, required: bool = False, read_only: bool = False) -> dict[str, Any]:
    return {"isImmutable": False, "isReadOnly": read_only, "isRequired": required, "type": kind}


DESCRIPTION: dict[str, Any] = {
    "createTime": _described("datetime", read_only=True),
    "detailUrl": _described("string", read_only=True),
    "downloadUrl": _described("string", read_only=True),
    "id": _described("integer", read_only=True),
    "name": _described("string", read_only=True),
    "productId": _described("string", required=True),
    "type": _described("string"),
}


def detail_url(core: Core, image: ProductImage) -> str:
    """The image's public address, root-relative unless pictures have a host of their own.

    Source: page "Data types", catalog_product_image.
    """
    return core.delivery.base_url + public_path(image.address, image.name, image.version)


_NAMES = {wire.field_key(name): name for name in DESCRIPTION}


def _writer(call: Call, chosen: list[str] | None = None) -> Callable[[ProductImage], dict[str, Any]]:
    """What writes an image with the chosen of its fields, or all seven."""
    sign = downloads.signer(call.core, call.caller)
    download = f"{call.base_url}/rest/download.json?token="

    def write(image: ProductImage) -> dict[str, Any]:
        written = {
            "createTime": wire.write_moment(image.created_at, call.zone),
            "detailUrl": detail_url(call.core, image),
            "downloadUrl": download + sign(image.id),
            "id": image.id,
            "name": image.name,
            "productId": image.product_id,
            "type": TYPES[image.role],
        }
        return {name: written[name] for name in chosen} if chosen else written

    return write


def _place(call: Call) -> tuple[int, int]:
    return wire.identifier(call.params, "productId"), wire.identifier(call.params, "id")


def _role(value: Any) -> ImageRole:
    """The role behind `type`; absent or empty means one more photo. Raises: InvalidRequest."""
    if not value:
        return "more"
    role = _ROLES.get(str(value).upper())
    if role is None:
        raise InvalidRequest("type", f"The type must be one of {', '.join(_ROLES)}")
    return role


def _read_role(value: Any) -> Value:
    return _ROLES.get(str(value).upper(), str(value))


def _filters(zone: tzinfo) -> dict[str, Field]:
    return {
        "id": Field("id", wire.read_integer),
        "name": Field("name", wire.read_text),
        "productid": Field("product_id", wire.read_integer),
        "type": Field("role", _read_role),
        "createtime": Field("created_at", partial(wire.read_moment, zone=zone)),
    }
