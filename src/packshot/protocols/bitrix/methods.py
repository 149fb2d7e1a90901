"""The whole method table: what can be called, and what it takes."""

from packshot.protocols.bitrix import catalogs, images, products
from packshot.protocols.bitrix.call import Method

_IMAGES = (
    Method("catalog.productImage.add", images.add, "catalog", "image:write"),
    Method("catalog.productImage.get", images.get, "catalog", "image:read"),
    Method("catalog.productImage.list", images.list_, "catalog", "image:read"),
    Method("catalog.productImage.delete", images.delete, "catalog", "image:write"),
    Method("catalog.productImage.getFields", images.get_fields, "catalog", "image:read"),
)
_PRODUCTS = (
    Method("catalog.product.add", products.add, "catalog", "product:write"),
    Method("catalog.product.get", products.get, "catalog", "product:read"),
    Method("catalog.product.list", products.list_, "catalog", "product:read"),
    Method("catalog.product.update", products.update, "catalog", "product:write"),
    Method("catalog.product.delete", products.delete, "catalog", "product:write"),
)
_CATALOGS = (Method("catalog.catalog.list", catalogs.list_, "catalog", "catalog:read"),)

METHODS: dict[str, Method] = {method.name.lower(): method for method in (*_IMAGES, *_PRODUCTS, *_CATALOGS)}
"""By lower-case name: names are matched in any case. Source: page "General principles"."""
