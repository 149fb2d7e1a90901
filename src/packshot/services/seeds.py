"""A store brought to exactly what somebody described: catalogs, sections, properties, products and their pictures."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from packshot.domain.access import Principal
from packshot.domain.catalogs import Property, Section
from packshot.domain.errors import Conflict, InvalidRequest, NotFound, UnacceptableImage
from packshot.domain.images import ImageRole
from packshot.domain.products import Fields, Kind
from packshot.imaging.sketch import draw
from packshot.services import catalogs, demo, images, originals, products
from packshot.services.access import account_called
from packshot.services.core import Core
from packshot.services.demo import Drawing
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValues, Parts, Text
from packshot.services.setup import ACCOUNT, SCOPES, Seed
from packshot.storage import accounts, emptying
from packshot.storage.database import Tx

Made = TypeVar("Made")

Ids = dict[str, int]
"""The ids of what was made, by key."""

Drawn = dict[Drawing, bytes]
"""Pictures that were drawn already: who resets often keeps them."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be made. `key` is what others refer to it by; `place` says where it was described."""

    key: str
    place: str


class NewCatalog(Part, frozen=True, kw_only=True):
    """A catalog, of the variations of another one where that is named."""

    name: str
    variations_of: str | None = None


class NewSection(Part, frozen=True, kw_only=True):
    """A section of a catalog, in another section where that is named; `section` still lacks the ids of both."""

    catalog: str
    parent: str | None
    section: Section


class NewProperty(Part, frozen=True, kw_only=True):
    """A property of a catalog; one that links to products of a catalog names that."""

    catalog: str
    links_to: str | None
    property: Property


class Picture(msgspec.Struct, frozen=True):
    """A picture to be: the bytes of a file, or a drawing."""

    place: str
    name: str
    source: Path | Drawing


class NewProduct(Part, frozen=True, kw_only=True):
    """A product of any kind; `fields` still lack its catalog, section and parent.

    `values` are those of its properties, by their keys. `pictures` come in their order.
    """

    kind: Kind
    catalog: str
    section: str | None
    parent: str | None
    fields: Fields
    values: Mapping[str, tuple[str | Picture, ...]]
    pictures: tuple[tuple[ImageRole, Picture], ...]


USUAL = (
    NewCatalog(key="products", place="Catalog 1", name="Products"),
    NewCatalog(key="variations", place="Catalog 2", name="Variations", variations_of="products"),
)
"""The catalogs of a new store."""


class Contents(msgspec.Struct, frozen=True):
    """What a store is to hold; by default what a new one does.

    Parts refer to parts of the same sort that come before them, and to any of the sorts above.
    """

    catalogs: tuple[NewCatalog, ...] = USUAL
    sections: tuple[NewSection, ...] = ()
    properties: tuple[NewProperty, ...] = ()
    products: tuple[NewProduct, ...] = ()


async def replace(core: Core, contents: Contents, drawn: Drawn | None = None) -> Ids:
    """Make the catalogs of the account `main` exactly these, ids from 1, and return the ids.

    All catalogs of all accounts go with what they hold; the other accounts get the usual two. Accounts, users,
    credentials, applications and event handlers stay.

    Raises:
        InvalidRequest: something cannot be made; the message names the place. Unless it is a picture, for they
            are looked at first, the store is left with what comes before it.
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
    """
    uploads = await _uploads(core, contents, {} if drawn is None else drawn)
    caller = await _administrator(core)
    others = [account.id for account in await accounts.of_accounts(core.db) if account.id != caller.account_id]
    now = core.now()

    async def work(tx: Tx) -> Ids:
        await emptying.empty(tx)
        ids = await _make_catalogs(tx, caller.account_id, contents.catalogs, now)
        for other in others:
            await _make_catalogs(tx, other, USUAL, now)
        return ids

    ids = await core.db.write(work)
    for section in contents.sections:
        ids[section.key] = await _at(section.place, _add_section(core, caller, section, ids))
    for new in contents.properties:
        ids[new.key] = await _at(new.place, _add_property(core, caller, new, ids))
    for product in contents.products:
        ids[product.key] = await _at(product.place, _add_product(core, caller, product, ids, uploads))
    return ids


async def replace_with_samples(core: Core, drawn: Drawn | None = None) -> Ids:
    """The same with the sample catalogue, of which the ids of the catalogs are returned.

    Raises:
        Conflict: somebody else changed the catalogs while they were filled.
    """
    drawn = {} if drawn is None else drawn
    await demo.draw_all(core, drawn)  # while the store holds what it held: drawing takes longest
    ids = await replace(core, Contents())
    caller = await _administrator(core)
    account = Seed(caller.account_id, caller.user_id, "", 0, ids["products"], ids["variations"])
    try:
        await demo.fill(core, account, drawn=drawn)
    except (Conflict, NotFound):
        raise Conflict("Somebody else changed the catalogs while they were filled: fill them again") from None
    return ids


async def _make_catalogs(tx: Tx, account_id: int, new: Iterable[NewCatalog], now: int) -> Ids:
    ids: Ids = {}
    for one in new:
        parent_id = None if one.variations_of is None else ids[one.variations_of]
        ids[one.key] = await catalogs.make(tx, account_id, one.name, parent_id, now)
    return ids


async def _add_section(core: Core, caller: Principal, new: NewSection, ids: Ids) -> int:
    parent_id = None if new.parent is None else ids[new.parent]
    section = msgspec.structs.replace(new.section, catalog_id=ids[new.catalog], parent_id=parent_id)
    return await catalogs.add_section(core, caller.account_id, section)


async def _add_property(core: Core, caller: Principal, new: NewProperty, ids: Ids) -> int:
    link_id = None if new.links_to is None else ids[new.links_to]
    made = msgspec.structs.replace(new.property, link_catalog_id=link_id)
    return await catalogs.add_property(core, caller.account_id, ids[new.catalog], made)


async def _add_product(
    core: Core, caller: Principal, new: NewProduct, ids: Ids, uploads: Mapping[Picture, Upload]
) -> int:
    fields: Fields = new.fields | {"catalog_id": ids[new.catalog]}
    fields |= {"section_id": ids[new.section]} if new.section else {}
    fields |= {"parent_id": ids[new.parent]} if new.parent else {}
    values = {
        ids[key]: NewValues(
            [Text(one) if isinstance(one, str) else File(uploads[one]) for one in given], multiple=len(given) > 1
        )
        for key, given in new.values.items()
    }
    product = await products.add(core, caller, new.kind, fields, Parts(properties=values))
    product_id = int(product.fields["id"] or 0)
    for role, picture in new.pictures:
        await images.add_to_product(core, caller, product_id, role, uploads[picture])
    return product_id


async def _uploads(core: Core, contents: Contents, drawn: Drawn) -> dict[Picture, Upload]:
    """Every picture, drawn where it has to be and looked at. Raises: InvalidRequest."""
    uploads = {}
    for picture in _pictures(contents):
        if isinstance(picture.source, Drawing):
            upload = _of_bytes(picture.name, await _draw(core, picture.source, drawn))
        else:
            upload = _of_file(picture.name, picture.source)
            await _at(picture.place, originals.examine(core, upload))
        uploads[picture] = upload
    return uploads


def _pictures(contents: Contents) -> Iterator[Picture]:
    for product in contents.products:
        yield from (picture for _, picture in product.pictures)
        yield from (one for given in product.values.values() for one in given if isinstance(one, Picture))


async def _draw(core: Core, drawing: Drawing, drawn: Drawn) -> bytes:
    if drawing not in drawn:
        loop = asyncio.get_running_loop()
        drawn[drawing] = await loop.run_in_executor(core.threads, draw, *msgspec.structs.astuple(drawing))
    return drawn[drawing]


def _of_bytes(name: str, data: bytes) -> Upload:
    return Upload(name, len(data), lambda: data)


def _of_file(name: str, path: Path) -> Upload:
    return Upload(name, path.stat().st_size, path.read_bytes)


async def _administrator(core: Core) -> Principal:
    """The first administrator of the account `main`, who makes everything. Raises: NotFound."""
    account_id = await account_called(core, ACCOUNT)
    found = [user for user in await accounts.of_users(core.db, account_id) if user.role == "administrator"]
    if not found:
        raise NotFound("administrator", ACCOUNT)
    return Principal(account_id, found[0].id, "administrator", SCOPES, 0)


async def _at(place: str, making: Awaitable[Made]) -> Made:
    """What comes of it, or an error that names the place."""
    try:
        return await making
    except (InvalidRequest, NotFound, Conflict, UnacceptableImage) as error:
        raise InvalidRequest("", f"{place}: {error}") from None
