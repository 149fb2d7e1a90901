"""Products: add, get, list, update and remove. Their pictures are product images like any other."""

from collections.abc import Collection, Sequence
from typing import TypeVar

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.catalogs import MORE_PHOTO, Catalog
from packshot.domain.errors import Conflict, InvalidRequest, InvalidValue, MissingField, NotFound
from packshot.domain.images import ImageRole, ProductImage
from packshot.domain.originals import Original
from packshot.domain.paging import Page, Query
from packshot.domain.products import (
    DEFAULTS,
    IMMUTABLE,
    NEVER_EMPTY,
    PARENTS,
    UNAVAILABLE,
    VARIATIONS,
    Declared,
    Fields,
    Kind,
    PropertyValue,
    check_fields,
    settable,
)
from packshot.services import events, originals, product_parts, trash
from packshot.services.core import Core
from packshot.services.images import let_go
from packshot.services.product_parts import NOTHING, Hand, Parts
from packshot.storage import accounts, catalogs, images, locks, products, property_values
from packshot.storage.database import Reads, Tx

REQUIRED = ("catalog_id", "name")

Part = TypeVar("Part", ProductImage, PropertyValue)


class Product(msgspec.Struct, frozen=True):
    """A product with its images, the values of its properties, and the properties that its catalog declares."""

    fields: Fields
    images: Sequence[ProductImage] = ()
    values: Sequence[PropertyValue] = ()
    declared: Sequence[Declared] = ()


async def add(core: Core, caller: Principal, kind: Kind, fields: Fields, parts: Parts = NOTHING) -> Product:
    """Store a new product with its defaults filled in; a parent is empty, a variation has the parent it names or none.

    Raises:
        Forbidden: the caller may only look.
        MissingField: no name or no catalog.
        InvalidValue: a value that its field cannot have, or a catalog for products of another sort.
        NotFound: no such catalog, section, user or parent.
        Conflict: another product of the catalog has that code.
        UnacceptableImage: a picture that is not kept.
    """
    require_right(caller, "product:write")
    for name in REQUIRED:
        if not fields.get(name):
            raise MissingField(name)
    check_fields(fields)
    now = core.now()
    kind = _first_kind(kind, fields)
    given = {name: value for name, value in settable(kind, fields).items() if value is not None}
    stored = DEFAULTS | {"created_by": caller.user_id, "modified_by": caller.user_id, "created_at": now} | given
    stored |= {"kind": kind, "available": int(kind not in UNAVAILABLE), "changed_at": now}
    files = await product_parts.examine(core, parts)

    async def work(tx: Tx, blob_ids: list[int]) -> Product:
        if kind == Kind.VARIATION:
            await locks.hold(tx, "product", [int(stored["parent_id"] or 0)], of=caller.account_id)
        catalog = await _require_catalog(tx, caller, int(stored["catalog_id"] or 0), kind)
        sections = await _check(tx, caller, catalog, stored, parts)
        main: Fields = {"section_id": next(iter(sections or ()), None)}
        product_id = await products.add_product(tx, caller.account_id, stored | main)
        await events.note_product(tx, caller, "CATALOG.PRODUCT.ON.ADD", product_id, kind, now)
        hand = Hand(caller, product_id, now, dict(zip(files, blob_ids, strict=True)))
        await _follow(tx, hand, catalog, sections, parts)
        if kind == Kind.VARIATION:
            await products.settle_parent(tx, caller.account_id, int(stored["parent_id"] or 0))
        return await _whole(tx, caller, product_id, tuple(Kind))

    return await originals.store(core, caller.account_id, list(files.values()), work)


async def get(core: Core, caller: Principal, product_id: int, kinds: Collection[Kind]) -> Product:
    """The product with its images and properties. Raises: Forbidden, NotFound (also when it is of another kind)."""
    require_right(caller, "product:read")
    return await _whole(core.db, caller, product_id, kinds)


async def _whole(reads: Reads, caller: Principal, product_id: int, kinds: Collection[Kind]) -> Product:
    fields = await _require(reads, caller, product_id, kinds)
    return Product(
        fields,
        await images.of_products(reads, caller.account_id, [product_id]),
        await property_values.of_products(reads, caller.account_id, [product_id]),
        await property_values.of_catalog(reads, caller.account_id, int(fields["catalog_id"] or 0)),
    )


async def list_all(
    core: Core,
    caller: Principal,
    kinds: Collection[Kind],
    fields: Collection[str],
    query: Query,
    parts: Collection[str] = (),
) -> Page[Product]:
    """One page of the account's products of these kinds, with just these fields each.

    *parts* may ask for `images` and for `properties`; the fields then have to have the id and the catalog.

    Raises: Forbidden.
    """
    require_right(caller, "product:read")
    account_id = caller.account_id
    page = await products.list_products(core.db, account_id, kinds, fields, query)
    ids = [int(row["id"] or 0) for row in page.rows] if parts else []
    pictures, values = {}, {}
    declared: dict[int, list[Declared]] = {}
    if ids:
        pictures = _by_product(await images.of_products(core.db, account_id, ids))
    if ids and "properties" in parts:
        values = _by_product(await property_values.of_products(core.db, account_id, ids))
        for catalog_id in {int(row["catalog_id"] or 0) for row in page.rows}:
            declared[catalog_id] = await property_values.of_catalog(core.db, account_id, catalog_id)

    def whole(row: Fields) -> Product:
        own = int(row.get("id") or 0)
        of_catalog = declared.get(int(row.get("catalog_id") or 0), [])
        return Product(row, pictures.get(own, []), values.get(own, []), of_catalog)

    return Page([whole(row) for row in page.rows], page.total)


async def update(
    core: Core, caller: Principal, product_id: int, kinds: Collection[Kind], changes: Fields, parts: Parts = NOTHING
) -> Product:
    """Set these fields and parts; what only the store sets, and the catalog, stay as they are.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product, section, user or parent.
        InvalidValue: a value that its field cannot have.
        Conflict: another product of the catalog has that code.
        UnacceptableImage: a picture that is not kept.
    """
    require_right(caller, "product:write")
    check_fields(changes)
    await _require(core.db, caller, product_id, kinds)  # before its pictures are read
    files = await product_parts.examine(core, parts)
    now = core.now()

    async def work(tx: Tx, blob_ids: list[int]) -> Product:
        await products.hold(tx, caller.account_id, product_id, int(changes.get("parent_id") or 0))
        before = await _require(tx, caller, product_id, kinds)
        hand = Hand(caller, product_id, now, dict(zip(files, blob_ids, strict=True)))
        await _update(tx, hand, before, changes, parts)
        return await _whole(tx, caller, product_id, kinds)

    return await originals.store(core, caller.account_id, list(files.values()), work)


async def _update(tx: Tx, hand: Hand, before: Fields, changes: Fields, parts: Parts) -> None:
    account_id, kind = hand.caller.account_id, Kind(int(before["kind"] or 0))
    stored: Fields = {"modified_by": hand.caller.user_id, "changed_at": hand.now} | _filled(settable(kind, changes))
    catalog = await _require_catalog(tx, hand.caller, int(before["catalog_id"] or 0), kind)
    if parts.sections and before["section_id"] in parts.sections:
        stored.setdefault("section_id", before["section_id"])
    place: Fields = {"id": hand.product_id, "catalog_id": catalog.id}
    sections = await _check(tx, hand.caller, catalog, place | stored, parts)
    if sections is not None:
        stored["section_id"] = next(iter(sections), None)
    await products.update_product(tx, account_id, hand.product_id, stored)
    await _follow(tx, hand, catalog, sections, parts)
    if "parent_id" in stored:
        kind = _first_kind(kind, stored)
        await products.set_kind(tx, account_id, hand.product_id, kind)
        for parent in {before["parent_id"], stored["parent_id"]} - {None}:
            await products.settle_parent(tx, account_id, int(parent or 0))
    await events.note_product(tx, hand.caller, "CATALOG.PRODUCT.ON.UPDATE", hand.product_id, kind, hand.now)


async def remove(core: Core, caller: Principal, product_id: int, kinds: Collection[Kind]) -> None:
    """Delete the product with its variations and all their images; those that something is sold of stay in the library.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product.
    """
    require_right(caller, "product:write")
    now = core.now()

    async def work(tx: Tx) -> None:
        await products.hold(tx, caller.account_id, product_id)
        fields = await _require(tx, caller, product_id, kinds)
        gone = [*await products.of_parent(tx, caller.account_id, product_id), (product_id, int(fields["kind"] or 0))]
        await let_go(tx, caller, await images.of_family(tx, caller.account_id, product_id), now)
        await trash.take_products(tx, caller, [one for one, _ in gone], now)
        await products.remove_product(tx, caller.account_id, product_id)
        if fields["parent_id"]:
            await products.settle_parent(tx, caller.account_id, int(fields["parent_id"]))
        for one, kind in gone:
            await events.note_product(tx, caller, "CATALOG.PRODUCT.ON.DELETE", one, kind, now)

    await core.db.write(work, makes_room=True)


async def open_file(
    core: Core, caller: Principal, kinds: Collection[Kind], place: tuple[int, ImageRole | int | str], file_id: int
) -> Original:
    """The original of a file in a field of the product.

    *place* is the product's id with the role of a single picture, or with the id or the code, in capitals, of
    a property.

    Raises:
        Forbidden: the caller may not look.
        NotFound: no such product, or no such file in that field.
        InvalidRequest: the field is no property of files.
    """
    require_right(caller, "product:read")
    product_id, field = place
    fields = await _require(core.db, caller, product_id, kinds)
    declared = await property_values.of_catalog(core.db, caller.account_id, int(fields["catalog_id"] or 0))
    wanted = _file_place(field, declared)
    found = await images.find_file(core.db, caller.account_id, product_id, file_id)
    if found is None or (found[0], found[1]) != wanted:
        raise NotFound("file", file_id)
    return found[2]


def _file_place(field: ImageRole | int | str, declared: Sequence[Declared]) -> tuple[str, int | None]:
    """The role and property of images in a field: those of the gallery have no property."""
    if field in {"detail", "preview"}:
        return str(field), None
    one = next((one for one in declared if field in {one.id, one.code.upper()}), None)
    if one is None and isinstance(field, int):
        return "more", field
    if one is None or one.property_type != "F":
        raise InvalidRequest("fieldName", "The specified property does not exist or is not a file")
    return "more", None if one.code == MORE_PHOTO else one.id


async def properties_of(core: Core, caller: Principal, catalog_id: int) -> list[Declared]:
    """The properties that a catalog declares, by id. Raises: Forbidden, NotFound."""
    require_right(caller, "product:read")
    if await catalogs.find_catalog(core.db, caller.account_id, catalog_id) is None:
        raise NotFound("catalog", catalog_id)
    return await property_values.of_catalog(core.db, caller.account_id, catalog_id)


def _first_kind(kind: Kind, fields: Fields) -> Kind:
    if kind in VARIATIONS:
        return Kind.LONE_VARIATION if fields.get("parent_id") is None else Kind.VARIATION
    return Kind.EMPTY_PARENT if kind in PARENTS else kind


def _filled(changes: Fields) -> Fields:
    """The changes that are made, with what an emptied field gets; the catalog stays."""
    return {
        name: DEFAULTS.get(name) if value is None else value
        for name, value in changes.items()
        if name not in IMMUTABLE and (value is not None or name not in NEVER_EMPTY)
    }


def _by_product(parts: Sequence[Part]) -> dict[int, list[Part]]:
    found: dict[int, list[Part]] = {}
    for part in parts:
        found.setdefault(part.product_id, []).append(part)
    return found


async def _require(reads: Reads, caller: Principal, product_id: int, kinds: Collection[Kind]) -> Fields:
    fields = await products.find_product(reads, caller.account_id, product_id, kinds)
    if fields is None:
        raise NotFound("product", product_id)
    return fields


async def _require_catalog(tx: Tx, caller: Principal, catalog_id: int, kind: Kind) -> Catalog:
    catalog = await catalogs.find_catalog(tx, caller.account_id, catalog_id)
    if catalog is None:
        raise NotFound("catalog", catalog_id)
    if (catalog.parent_catalog_id is None) == (kind in VARIATIONS):
        held = "variations only" if kind not in VARIATIONS else "no variations"
        raise InvalidValue("catalog_id", f"The trade catalog {catalog_id} holds {held}")
    return catalog


async def _check(tx: Tx, caller: Principal, catalog: Catalog, stored: Fields, parts: Parts) -> list[int] | None:
    """Refuse fields that point nowhere; the sections the product stands in, where anything was said of them."""
    await _require_free_code(tx, caller, stored)
    for name in ("created_by", "modified_by"):
        user_id = stored.get(name)
        if user_id not in {None, caller.user_id} and not await accounts.has_user(
            tx, caller.account_id, int(user_id or 0)
        ):
            raise NotFound("user", user_id)
    if stored.get("parent_id") is not None:
        parent = await products.find_product(tx, caller.account_id, int(stored["parent_id"] or 0), PARENTS)
        if parent is None or parent["catalog_id"] != catalog.parent_catalog_id:
            raise NotFound("parent product", stored["parent_id"])
    return await _sections(tx, caller, catalog, stored, parts.sections)


async def _sections(
    tx: Tx, caller: Principal, catalog: Catalog, stored: Fields, links: tuple[int, ...] | None
) -> list[int] | None:
    """All sections of the product, its main one first; None where nothing was said of them."""
    if catalog.parent_catalog_id is not None or (links is None and "section_id" not in stored):
        return None
    main = stored.get("section_id")
    wanted = list(dict.fromkeys([*([int(main)] if main else []), *(links or ())]))
    known = await products.of_sections(tx, caller.account_id, catalog.id, wanted) if wanted else set()
    for section_id in wanted:
        if section_id not in known:
            raise NotFound("section", section_id)
    return wanted


async def _follow(tx: Tx, hand: Hand, catalog: Catalog, sections: Collection[int] | None, parts: Parts) -> None:
    """What comes behind the product's row: its sections, pictures and properties."""
    if sections is not None:
        await products.set_sections(tx, hand.product_id, sections)
    if parts.pictures or parts.properties:
        declared = await property_values.of_catalog(tx, hand.caller.account_id, catalog.id)
        await product_parts.change(tx, hand, parts, declared)


async def _require_free_code(tx: Tx, caller: Principal, fields: Fields) -> None:
    code = fields.get("code")
    if not code:
        return
    holder = await products.find_by_code(tx, caller.account_id, int(fields["catalog_id"] or 0), str(code))
    if holder not in {None, fields.get("id")}:
        raise Conflict(f"Another product of the catalog has the code {code}")
