"""Events: what changed, noted in the transaction that changed it and sent out afterwards."""

from typing import Literal

from packshot.domain.access import Principal
from packshot.domain.images import ProductImage
from packshot.storage.database import Tx

ProductEvent = Literal["CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE", "CATALOG.PRODUCT.ON.DELETE"]
ImageEvent = Literal["PACKSHOT.IMAGE.ON.ADD", "PACKSHOT.IMAGE.ON.DELETE"]


async def note_product(tx: Tx, caller: Principal, event: ProductEvent, product_id: int, kind: int, now: int) -> None:
    """Note that a product was added, changed or deleted, for everybody who listens."""


async def note_image(tx: Tx, caller: Principal, event: ImageEvent, image: ProductImage, now: int) -> None:
    """Note that an image was added to or deleted from a product, for everybody who listens."""
