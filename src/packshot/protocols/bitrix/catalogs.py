"""catalog.catalog.list, get, isOffers and getFields."""

from packshot.protocols.bitrix import objects, wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.objects import Trait
from packshot.services import catalogs

FIELDS: objects.Table = {
    "iblockId": Trait("id", "integer", required=True, immutable=True),
    # The method pages show 0; the page of types has a name here.
    "iblockTypeId": Trait("", "integer", read_only=True, constant=0),
    "id": Trait("id", "integer", read_only=True),
    "lid": Trait("", "string", read_only=True, constant="s1"),
    "name": Trait("name", "string", read_only=True),
    "productIblockId": Trait("parent_catalog_id", "integer"),
    "skuPropertyId": Trait("link_property_id", "integer"),
    "subscription": Trait("", "char", constant="N"),
    "vatId": Trait("vat_id", "integer"),
}
"""Source: page "Data types", catalog_catalog."""


async def list_(call: Call) -> Answer:
    """A page of trade catalogs, under the one key `catalogs`. Source: page catalog.catalog.list."""
    wanted = wire.query(call.params, objects.filters(FIELDS, call.zone))
    chosen = wire.selection(call.params, objects.keys(FIELDS))
    page = await catalogs.list_all(call.core, call.caller, wanted)
    return wire.listed("catalogs", page, wanted, lambda item: objects.write(FIELDS, item, call.zone, chosen))


async def get(call: Call) -> Answer:
    """One trade catalog. Source: page catalog.catalog.get."""
    found = await catalogs.get(call.core, call.caller, wire.identifier(call.params, "id"))
    return Answer({"catalog": objects.write(FIELDS, found, call.zone)})


async def is_offers(call: Call) -> Answer:
    """Whether a trade catalog is one of variations, as `result`. Source: page catalog.catalog.isOffers."""
    found = await catalogs.get(call.core, call.caller, wire.identifier(call.params, "id"))
    return Answer(found.parent_catalog_id is not None)


async def get_fields(_: Call) -> Answer:
    """What each field of a trade catalog is. Source: page catalog.catalog.getFields."""
    return Answer({"catalog": objects.described(FIELDS)})
