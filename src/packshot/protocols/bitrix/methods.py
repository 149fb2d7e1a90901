"""The whole method table: what can be called, and the scope it takes."""

from collections.abc import Awaitable, Callable

import msgspec

from packshot.protocols.bitrix import catalogs, images, products
from packshot.protocols.bitrix.call import Call
from packshot.protocols.bitrix.wire import Answer


class Method(msgspec.Struct, frozen=True):
    """A method: its documented name, the function behind it, and the scope its caller needs."""

    name: str
    run: Callable[[Call], Awaitable[Answer]]
    scope: str


METHODS: dict[str, Method] = {
    method.name.lower(): method
    for method in (
        Method("catalog.productImage.add", images.add, "catalog"),
        Method("catalog.productImage.get", images.get, "catalog"),
        Method("catalog.productImage.list", images.list_, "catalog"),
        Method("catalog.productImage.delete", images.delete, "catalog"),
        Method("catalog.productImage.getFields", images.get_fields, "catalog"),
        Method("catalog.product.add", products.add, "catalog"),
        Method("catalog.product.get", products.get, "catalog"),
        Method("catalog.product.list", products.list_, "catalog"),
        Method("catalog.product.update", products.update, "catalog"),
        Method("catalog.product.delete", products.delete, "catalog"),
        Method("catalog.catalog.list", catalogs.list_, "catalog"),
    )
}
"""By lower-case name: names are matched in any case. Source: page "General principles"."""
