"""catalog.section.list, get and getFields."""

from packshot.domain.errors import InvalidRequest
from packshot.protocols.bitrix import objects, wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.objects import Trait
from packshot.services import catalogs

FIELDS: objects.Table = {
    "active": Trait("active", "flag"),
    "code": Trait("code", "string"),
    "description": Trait("description", "string"),
    "descriptionType": Trait("description_type", "string"),
    "iblockId": Trait("catalog_id", "integer", required=True),
    "iblockSectionId": Trait("parent_id", "integer"),
    "id": Trait("id", "integer", read_only=True),
    "name": Trait("name", "string", required=True),
    "sort": Trait("sort", "integer"),
    "xmlId": Trait("xml_id", "string"),
}
"""Source: page "Data types", catalog_section, and page catalog.section.getFields."""


async def list_(call: Call) -> Answer:
    """A page of the sections of a catalog, under the one key `sections`. Source: page catalog.section.list.

    Raises:
        InvalidRequest: `filter` lacks `iblockId`.
    """
    wanted = wire.query(call.params, objects.filters(FIELDS, call.zone))
    if not any(condition.field == "catalog_id" for condition in wanted.conditions):
        raise InvalidRequest("filter", "Required filter fields: iblockId")
    chosen = wire.selection(call.params, objects.keys(FIELDS))
    page = await catalogs.list_sections(call.core, call.caller, wanted)
    return wire.listed("sections", page, wanted, lambda item: objects.write(FIELDS, item, call.zone, chosen))


async def get(call: Call) -> Answer:
    """One section. Source: page catalog.section.get."""
    found = await catalogs.get_section(call.core, call.caller, wire.identifier(call.params, "id"))
    return Answer({"section": objects.write(FIELDS, found, call.zone)})


async def get_fields(_: Call) -> Answer:
    """What each field of a section is, to anybody. Source: page catalog.section.getFields."""
    return Answer({"section": objects.described(FIELDS)})
