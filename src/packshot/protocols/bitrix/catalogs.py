"""catalog.catalog.list."""

from typing import Any

from packshot.domain.catalogs import Catalog
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.wire import Field
from packshot.services import catalogs

_FILTERS = {
    "iblockid": Field("id", wire.read_integer),
    "id": Field("id", wire.read_integer),
    "name": Field("name", wire.read_text),
    "productiblockid": Field("parent_catalog_id", wire.read_integer),
    "skupropertyid": Field("link_property_id", wire.read_integer),
    "vatid": Field("vat_id", wire.read_integer),
}


async def list_(call: Call) -> Answer:
    """A page of trade catalogs, under the one key `catalogs`. Source: page catalog.catalog.list."""
    wanted = wire.query(call.params, _FILTERS)
    chosen = wire.selection(call.params, _KEYS)
    page = await catalogs.list_all(call.core, call.caller, wanted)
    return wire.listed("catalogs", page, wanted, lambda catalog: _write(catalog, chosen))


def _write(catalog: Catalog, chosen: list[str]) -> dict[str, Any]:
    row = {
        "iblockId": catalog.id,
        "iblockTypeId": 0,  # what the method pages show; the page of types has a name here
        "id": catalog.id,
        "lid": "s1",
        "name": catalog.name,
        "productIblockId": catalog.parent_catalog_id,
        "skuPropertyId": catalog.link_property_id,
        "subscription": "N",
        "vatId": catalog.vat_id,
    }
    return {name: row[name] for name in chosen}


_KEYS = {
    wire.field_key(name): name
    for name in (
        "iblockId", "iblockTypeId", "id", "lid", "name", "productIblockId", "skuPropertyId", "subscription", "vatId",
    )
}  # fmt: skip
