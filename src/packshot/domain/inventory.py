"""The virtual inventory: what is sold of an image, and what it is called in shops."""

from collections.abc import Mapping

import msgspec

LINK_FIELDS: Mapping[str, tuple[str, ...]] = {
    "etsy": ("etsy_product_id",),
    "shopify": (
        "shopify_product_id",
        "shopify_variant_id",
        "shopify_graphql_product_id",
        "shopify_graphql_variant_id",
    ),
    "squarespace": ("squarespace_product_id", "squarespace_variant_id"),
    "square": ("square_product_id", "square_variant_id"),
    "bigcommerce": ("bigcommerce_id", "bigcommerce_variant_id"),
    "wix": ("wix_inventory_id", "wix_product_id", "wix_variant_id"),
    "woocommerce": ("woocommerce_product_id", "woocommerce_variant_id"),
}
"""By platform: the fields that have what it calls a product by."""


class InventoryProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product that is sold of an image.

    `product_code` says how it is made; `sku` is what orders and shops name it by, unique in the account.
    `asking_price` is the seller's, in US dollars. `links` has the ids that shops know it by, as text, under the names
    of `LINK_FIELDS`. Moments are Unix microseconds.
    """

    id: int
    image_id: int
    image_guid: str
    guid: str
    sku: str
    product_code: str
    name: str
    description: str | None
    quantity_in_stock: int
    track_inventory: bool
    asking_price: float | None
    created_at: int
    updated_at: int | None
    links: Mapping[str, str]


class NewInventoryProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product on its way into the inventory; without a `name` it takes its image's title."""

    guid: str
    product_code: str
    name: str | None = None


class InventoryChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the product called `sku`: None leaves as it is, and so does a link that is not named.

    A link that is None is cut.
    """

    sku: str
    name: str | None = None
    description: str | None = None
    quantity_in_stock: int | None = None
    track_inventory: bool | None = None
    asking_price: float | None = None
    links: Mapping[str, str | None] = {}


def changed(product: InventoryProduct, change: InventoryChange, now: int) -> InventoryProduct:
    """The product as it is after the change; `updated_at` is *now* only where that makes a difference."""
    fields = {field: value for field, value in msgspec.structs.asdict(change).items() if value is not None}
    fields["links"] = {field: value for field, value in {**product.links, **change.links}.items() if value is not None}
    after = msgspec.structs.replace(product, **fields)
    return product if after == product else msgspec.structs.replace(after, updated_at=now)


def platforms_of(product: InventoryProduct) -> list[str]:
    """The platforms that the product is linked to."""
    return [platform for platform, fields in LINK_FIELDS.items() if any(field in product.links for field in fields)]
