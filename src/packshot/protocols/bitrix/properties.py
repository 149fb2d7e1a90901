"""catalog.productProperty.list, get and getFields."""

from packshot.protocols.bitrix import objects, wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.objects import Trait
from packshot.services import catalogs

FIELDS: objects.Table = {
    "active": Trait("active", "flag"),
    "code": Trait("code", "string"),
    "colCount": Trait("col_count", "integer"),
    "defaultValue": Trait("default_value", "text"),
    "fileType": Trait("file_type", "string"),
    "filtrable": Trait("filtrable", "flag"),
    "hint": Trait("hint", "string"),
    "iblockId": Trait("catalog_id", "integer", required=True),
    "id": Trait("id", "integer", read_only=True),
    "isRequired": Trait("required", "flag"),
    "linkIblockId": Trait("link_catalog_id", "integer"),
    "listType": Trait("list_type", "char"),
    "multiple": Trait("multiple", "flag"),
    "multipleCnt": Trait("multiple_cnt", "integer"),
    "name": Trait("name", "string", required=True),
    "propertyType": Trait("property_type", "string", required=True),
    "rowCount": Trait("row_count", "integer"),
    "searchable": Trait("searchable", "flag"),
    "sort": Trait("sort", "integer"),
    "timestampX": Trait("changed_at", "moment", read_only=True),
    "userType": Trait("user_type", "string"),
    "userTypeSettings": Trait("", "productpropertysettings"),
    "withDescription": Trait("with_description", "flag"),
    "xmlId": Trait("xml_id", "string"),
}
"""Source: page "Data types", catalog_product_property; required ones from page catalog.productProperty.add."""


async def list_(call: Call) -> Answer:
    """A page of the properties of all catalogs, or of one that `filter` names, under the key `productProperties`.

    Source: page catalog.productProperty.list.
    """
    wanted = wire.query(call.params, objects.filters(FIELDS, call.zone))
    chosen = wire.selection(call.params, objects.keys(FIELDS))
    page = await catalogs.list_properties(call.core, call.caller, wanted)
    return wire.listed("productProperties", page, wanted, lambda item: objects.write(FIELDS, item, call.zone, chosen))


async def get(call: Call) -> Answer:
    """One property. Source: page catalog.productProperty.get."""
    found = await catalogs.get_property(call.core, call.caller, wire.identifier(call.params, "id"))
    return Answer({"productProperty": objects.write(FIELDS, found, call.zone)})


async def get_fields(_: Call) -> Answer:
    """What each field of a property is. Source: page catalog.productProperty.getFields."""
    return Answer({"productProperty": objects.described(FIELDS)})
