"""For every Bitrix24 method one valid call, and what it asks of its caller, as its page says.

`$name` in the parameters is the id of something that a test makes: its own, a neighbour's, or nobody's. There are
`$catalog` with a `$section` and its gallery, the `$property`; `$variations`, the catalog of variations; of each sort
a product, `$product`, `$sku`, `$offer` and `$service`, with an image, `$product_image` and so on; and a `$user`.
"""

import json
import re
from typing import Any, Literal, NamedTuple

import pictures
from build import file_content, make_image
from packshot.domain.access import Principal
from packshot.domain.catalogs import Section
from packshot.domain.paging import Condition, Query
from packshot.domain.products import VARIATIONS, Fields, Kind
from packshot.services import catalogs, products
from packshot.services.core import Core

Outcome = tuple[int, int | str, str]
"""Status, `error` and `error_description`."""

Foreign = dict[str, Outcome | str]

NO_PRODUCT: Outcome = (400, 0, "Product with the specified identifier not found")
NO_PARENT: Outcome = (400, 0, "Parent product with the specified identifier not found")
NO_IMAGE: Outcome = (400, 0, "Image with the specified identifier not found")
NO_FILE: Outcome = (400, 0, "File with the specified identifier not found")
NO_USER: Outcome = (400, 0, "User with the specified identifier not found")
NO_SECTION_FOR_PRODUCT: Outcome = (400, 0, "Section with the specified identifier not found")
NO_CATALOG: Outcome = (400, 200040300000, "The trade catalog with the specified identifier does not exist")
NO_TRADE_CATALOG: Outcome = (400, 0, "The trade catalog with the specified identifier does not exist")
NO_SECTION: Outcome = (400, 200700300030, "The catalog section with the specified identifier does not exist")
NO_PROPERTY: Outcome = (400, "", "productProperty does not exist.")
NO_APPLICATION: Outcome = (
    403,
    "WRONG_AUTH_TYPE",
    "Current authorization type is denied for this method Application context required",
)
NO_APPLICATION_INFO: Outcome = (400, "ACCESS_DENIED", "Access denied! Application context required")
NO_ADMINISTRATOR: Outcome = (403, "ACCESS_DENIED", "Access denied!")
NOTHING = "nothing"
"""The outcome of a list that has no rows for a caller to whom the id in its filter means nothing."""

MAY_SEE_IMAGES = 200040300010
MAY_CHANGE_IMAGES = 200040300020
MAY_SEE_PRODUCTS = 200040300010
MAY_CHANGE_PRODUCTS = 200040300040
MAY_SEE_CATALOGS = 200040300030
MAY_SEE_THE_SECTION = 200040300040
MAY_SEE_PROPERTIES = 0

UPLOAD = file_content(pictures.png())


class Valid(NamedTuple):
    """A valid call: its parameters, the scopes of which its credential needs one, and the right of its user.

    Who lacks the right is refused with the code `denied`. `foreign` has what becomes of the call when the named
    id in it is a neighbour's or nobody's, `by_webhook` what becomes of it without an access token.
    """

    params: dict[str, Any]
    scopes: tuple[str, ...] = ()
    right: Literal["none", "read", "write", "administrator"] = "none"
    denied: int | None = None
    foreign: Foreign = {}  # noqa: RUF012 - nobody changes it
    by_webhook: Outcome | Literal[""] = ""


def _reading(denied: int, params: dict[str, Any], **foreign: Outcome | str) -> Valid:
    return Valid(params, ("catalog",), "read", denied, foreign)


def _writing(denied: int, params: dict[str, Any], **foreign: Outcome | str) -> Valid:
    return Valid(params, ("catalog",), "write", denied, foreign)


def _of_family(prefix: str, key: str, catalog: str, more: dict[str, Any], **foreign: Outcome | str) -> dict[str, Valid]:
    """The seven methods of one sort of products; a new one has the fields *more*."""
    one, image = f"${key}", f"{key}_image"
    new = {"iblockId": f"${catalog}", "name": "New", "createdBy": "$user"} | more
    file = {"fileId": f"${image}", "productId": one, "fieldName": "PROPERTY_MORE_PHOTO"}
    gone: Foreign = {key: NO_PRODUCT}
    no_catalog: Foreign = {catalog: NO_CATALOG}
    of_catalog = {"filter": {"iblockId": f"${catalog}"}}
    rows = {"select": ["id", "iblockId"]} | of_catalog
    renamed = {"name": "Other"} | more
    return {
        f"{prefix}.add": _writing(MAY_CHANGE_PRODUCTS, {"fields": new}, **no_catalog, user=NO_USER, **foreign),
        f"{prefix}.update": _writing(MAY_CHANGE_PRODUCTS, {"id": one, "fields": renamed}, **gone, **foreign),
        f"{prefix}.get": _reading(MAY_SEE_PRODUCTS, {"id": one}, **gone),
        f"{prefix}.list": _reading(MAY_SEE_PRODUCTS, rows, **{catalog: NOTHING}),
        f"{prefix}.delete": _writing(MAY_CHANGE_PRODUCTS, {"id": one}, **gone),
        f"{prefix}.download": _reading(MAY_SEE_PRODUCTS, {"fields": file}, **gone, **{image: NO_FILE}),
        f"{prefix}.getFieldsByFilter": _reading(
            MAY_SEE_PRODUCTS, {"filter": {"iblockId": f"${catalog}"}}, **no_catalog
        ),
    }


def _of_application(params: dict[str, Any], right: Literal["none", "administrator"] = "none") -> Valid:
    return Valid(params, (), right, by_webhook=NO_APPLICATION)


_PLACE = {"productId": "$product", "id": "$product_image"}
_NO_PLACE: Foreign = {"product": NO_PRODUCT, "product_image": NO_IMAGE}
_SECTION = {"iblockSectionId": "$section"}
_HANDLER = {"event": "CATALOG.PRODUCT.ON.ADD", "handler": "http://127.0.0.1/handler"}

CALLS: dict[str, Valid] = {
    "catalog.productImage.add": _writing(
        MAY_CHANGE_IMAGES, {"fields": {"productId": "$product"}, "fileContent": UPLOAD}, product=NO_PRODUCT
    ),
    "catalog.productImage.get": _reading(MAY_SEE_IMAGES, _PLACE, **_NO_PLACE),
    "catalog.productImage.list": _reading(MAY_SEE_IMAGES, {"productId": "$product"}, product=NO_PRODUCT),
    "catalog.productImage.delete": _writing(MAY_CHANGE_IMAGES, _PLACE, **_NO_PLACE),
    "catalog.productImage.getFields": _reading(MAY_SEE_IMAGES, {}),
    **_of_family("catalog.product", "product", "catalog", _SECTION, section=NO_SECTION_FOR_PRODUCT),
    **_of_family("catalog.product.sku", "sku", "catalog", _SECTION, section=NO_SECTION_FOR_PRODUCT),
    **_of_family("catalog.product.service", "service", "catalog", _SECTION, section=NO_SECTION_FOR_PRODUCT),
    **_of_family("catalog.product.offer", "offer", "variations", {"parentId": "$sku"}, sku=NO_PARENT),
    "catalog.catalog.list": _reading(MAY_SEE_CATALOGS, {"filter": {"id": "$catalog"}}, catalog=NOTHING),
    "catalog.catalog.get": _reading(MAY_SEE_CATALOGS, {"id": "$catalog"}, catalog=NO_TRADE_CATALOG),
    "catalog.catalog.isOffers": _reading(MAY_SEE_CATALOGS, {"id": "$catalog"}, catalog=NO_TRADE_CATALOG),
    "catalog.catalog.getFields": _reading(MAY_SEE_CATALOGS, {}),
    "catalog.section.list": _reading(MAY_SEE_CATALOGS, {"filter": {"iblockId": "$catalog"}}, catalog=NOTHING),
    "catalog.section.get": _reading(MAY_SEE_THE_SECTION, {"id": "$section"}, section=NO_SECTION),
    "catalog.section.getFields": Valid({}, ("catalog",)),
    "catalog.productProperty.list": _reading(MAY_SEE_PROPERTIES, {"filter": {"iblockId": "$catalog"}}, catalog=NOTHING),
    "catalog.productProperty.get": _reading(MAY_SEE_PROPERTIES, {"id": "$property"}, property=NO_PROPERTY),
    "catalog.productProperty.getFields": _reading(MAY_SEE_PROPERTIES, {}),
    "batch": Valid({"cmd": {"now": "server.time"}}),
    "methods": Valid({}),
    "method.get": Valid({"name": "server.time"}),
    "scope": Valid({}),
    "app.info": Valid({}, by_webhook=NO_APPLICATION_INFO),
    "feature.get": Valid({"CODE": "rest_auth_connector"}),
    "server.time": Valid({}),
    "profile": Valid({}),
    "user.current": Valid({}, ("user", "user_basic", "user_brief")),
    "user.admin": Valid({}),
    "user.access": Valid({"ACCESS": ["AU"]}),
    "access.name": Valid({"ACCESS": ["AU"]}),
    "events": _of_application({}),
    "event.bind": _of_application(_HANDLER),
    "event.unbind": _of_application(_HANDLER, "administrator"),
    "event.get": _of_application({}),
    "event.test": _of_application({}),
    "event.offline.get": _of_application({}, "administrator"),
    "event.offline.list": _of_application({}, "administrator"),
    "event.offline.clear": _of_application({"process_id": "1"}, "administrator"),
    "event.offline.error": _of_application({"process_id": "1"}, "administrator"),
}

_KINDS = {"product": Kind.SIMPLE, "sku": Kind.PARENT, "offer": Kind.LONE_VARIATION, "service": Kind.SERVICE}


async def things(core: Core, valid: Valid, caller: Principal, catalog: int, variations: int) -> dict[str, int]:
    """One of everything that the call names, made by that caller in their two catalogs, and its ids by those names."""
    made = {"catalog": catalog, "variations": variations, "user": caller.user_id}
    named = set(re.findall(r"\$(\w+)", json.dumps(valid.params)))
    for name, kind in _KINDS.items():
        if named & {name, f"{name}_image"}:
            fields: Fields = {"catalog_id": variations if kind in VARIATIONS else catalog, "name": "Shirt"}
            made[name] = int((await products.add(core, caller, kind, fields)).fields["id"] or 0)
            made[f"{name}_image"] = (await make_image(core, caller, made[name], pictures.png())).id
    if "section" in named:
        made["section"] = await catalogs.add_section(core, caller.account_id, Section(catalog, "Clothes"))
    gallery = await catalogs.list_properties(core, caller, Query([Condition("catalog_id", "=", (catalog,))]))
    return made | {"property": gallery.rows[0].id}
