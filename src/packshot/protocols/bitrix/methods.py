"""The whole method table: what can be called, and what it takes."""

from functools import partial

from packshot.protocols.bitrix import batch, catalogs, events, images, products, properties, sections, system
from packshot.protocols.bitrix.call import Method
from packshot.protocols.bitrix.product_fields import FAMILIES

_IMAGES = (
    Method("catalog.productImage.add", images.add, "catalog", "image:write", undecoded=frozenset({"filecontent"})),
    Method("catalog.productImage.get", images.get, "catalog", "image:read"),
    Method("catalog.productImage.list", images.list_, "catalog", "image:read"),
    Method("catalog.productImage.delete", images.delete, "catalog", "image:write"),
    Method("catalog.productImage.getFields", images.get_fields, "catalog", "image:read"),
)
_PRODUCTS = tuple(
    Method(f"{prefix}.{verb}", partial(run, family), "catalog", right, in_batch=verb != "download")
    for prefix, family in FAMILIES.items()
    for verb, run, right in products.VERBS
)
_CATALOGS = (
    Method("catalog.catalog.list", catalogs.list_, "catalog", "catalog:read"),
    Method("catalog.catalog.get", catalogs.get, "catalog", "catalog:read"),
    Method("catalog.catalog.isOffers", catalogs.is_offers, "catalog", "catalog:read"),
    Method("catalog.catalog.getFields", catalogs.get_fields, "catalog", "catalog:read"),
    Method("catalog.section.list", sections.list_, "catalog", "catalog:read"),
    Method("catalog.section.get", sections.get, "catalog", "section:read"),
    Method("catalog.section.getFields", sections.get_fields, "catalog"),
    Method("catalog.productProperty.list", properties.list_, "catalog", "property:read"),
    Method("catalog.productProperty.get", properties.get, "catalog", "property:read"),
    Method("catalog.productProperty.getFields", properties.get_fields, "catalog", "property:read"),
)

_BASIC = (Method("batch", batch.batch, in_batch=False),)

_SYSTEM = (
    Method("methods", system.methods),
    Method("method.get", system.method_get),
    Method("scope", system.scope),
    Method("app.info", system.app_info),
    Method("feature.get", system.feature_get),
    Method("server.time", system.server_time),
    Method("profile", system.profile),
    Method("user.current", system.user_current, "user", also=frozenset({"user_basic", "user_brief"})),
    Method("user.admin", system.user_admin),
    Method("user.access", system.user_access),
    Method("access.name", system.access_name),
)

_EVENTS = (
    Method("events", events.events, application=True),
    Method("event.bind", events.bind, application=True),
    Method("event.unbind", events.unbind, application=True),
    Method("event.get", events.get, application=True),
    Method("event.test", events.test, application=True),
    Method("event.offline.get", events.offline_get, application=True),
    Method("event.offline.list", events.offline_list, application=True),
    Method("event.offline.clear", events.offline_clear, application=True),
    Method("event.offline.error", events.offline_error, application=True),
)

METHODS: dict[str, Method] = {
    method.name.lower(): method
    for method in (
        *_BASIC,
        *_SYSTEM,
        *_IMAGES,
        *_PRODUCTS,
        *_CATALOGS,
        *_EVENTS,
    )
}
"""By lower-case name: names are matched in any case. Source: page "General principles"."""
