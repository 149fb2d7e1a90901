"""The trash: what was deleted, with all that went along, until it is given up."""

from typing import Any, Literal

import msgspec

Kind = Literal["product", "image", "place", "inventory_product", "links", "selection"]
"""What lies in the trash: a product, an image, where an image stood, something sold of one, links to shops, or the
images of a selection."""

Rows = dict[str, list[dict[str, Any]]]
"""By table, rows by column."""


class Deletion(msgspec.Struct, frozen=True):
    """One call that deleted something: its method, who made it, its request id, and when, in Unix microseconds."""

    id: int
    method: str
    who: str
    request_id: str
    deleted_at: int
    items: int


class NewItem(msgspec.Struct, frozen=True):
    """One thing on its way into the trash.

    `id` is that of its row, `name` what people call it.
    """

    kind: Kind
    id: int
    name: str
    title: str
    rows: Rows
    blob_id: int | None = None


class Item(msgspec.Struct, frozen=True):
    """One thing in the trash, `number` in the order of the whole trash; `blob_id` has the bytes of an image by now."""

    number: int
    kind: Kind
    id: int
    name: str
    title: str
    blob_id: int | None
    rows: Rows
