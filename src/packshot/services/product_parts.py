"""What a product has beside its fields: single pictures, the values of its properties, and its sections."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from packshot.domain.access import Principal
from packshot.domain.catalogs import MORE_PHOTO
from packshot.domain.errors import InvalidValue
from packshot.domain.images import ImageRole, NewImage, ProductImage, file_name
from packshot.domain.products import MAX_TEXT_CHARACTERS, MAX_VALUES, Declared, PropertyValue
from packshot.services import images, originals
from packshot.services.core import Core
from packshot.services.originals import Examined, Upload
from packshot.storage import images as image_rows
from packshot.storage import property_values
from packshot.storage.database import Tx


class Text(msgspec.Struct, frozen=True):
    """A text as a value; None is no value. With the id of one that is there it takes its place."""

    text: str | None
    value_id: int | None = None


class File(msgspec.Struct, frozen=True):
    """A picture as a value. With the id of one that is there it takes its place."""

    upload: Upload
    value_id: int | None = None


class Removed(msgspec.Struct, frozen=True):
    """A file value that goes; the id may be left out where there is only one."""

    value_id: int | None = None


class Kept(msgspec.Struct, frozen=True):
    """A file value just as it was read: it stays."""


NewValue = Text | File | Removed | Kept


class NewValues(msgspec.Struct, frozen=True):
    """What a call says of one property. `multiple`: it said so in a list."""

    values: Sequence[NewValue]
    multiple: bool


class Parts(msgspec.Struct, frozen=True):
    """What a call says of a product beside its fields; what is not named stays.

    `pictures` are by single role, None takes the picture away. `properties` are by id: texts that are not
    listed go, files stay until they are removed.
    """

    pictures: Mapping[ImageRole, Upload | None] = {}
    properties: Mapping[int, NewValues] = {}
    sections: tuple[int, ...] | None = None


NOTHING = Parts()

Files = Mapping[Upload, Examined]
"""What was found in each upload."""


class Hand(msgspec.Struct, frozen=True):
    """Who changes which product when; `blobs` has the id of the one that holds an upload."""

    caller: Principal
    product_id: int
    now: int
    blobs: Mapping[Upload, int]


def _uploads(parts: Parts) -> Iterator[Upload]:
    yield from (upload for upload in parts.pictures.values() if upload)
    for new in parts.properties.values():
        yield from (value.upload for value in new.values if isinstance(value, File))


async def examine(core: Core, parts: Parts) -> Files:
    """Look at all uploads before anything is stored. Raises: InvalidRequest, UnacceptableImage."""
    uploads = list(_uploads(parts))
    for upload in uploads:
        file_name(upload.name)
    return {upload: await originals.examine(core, upload) for upload in uploads}


async def change(tx: Tx, hand: Hand, parts: Parts, declared: Sequence[Declared]) -> None:
    """Apply pictures and properties to the product. Raises: InvalidValue, NotFound."""
    for role, upload in parts.pictures.items():
        if upload:
            await _put(tx, hand, role, upload)
        elif image := await image_rows.find_in_role(tx, hand.caller.account_id, hand.product_id, role):
            await images.let_go(tx, hand.caller, [image], hand.now)
    if parts.properties:
        await _change_properties(tx, hand, parts.properties, declared)


async def _change_properties(tx: Tx, hand: Hand, new: Mapping[int, NewValues], declared: Sequence[Declared]) -> None:
    known = {one.id: one for one in declared}
    if sum(len(values.values) for values in new.values()) > MAX_VALUES:  # they would keep the writer busy
        raise _too_many()
    there = await property_values.of_products(tx, hand.caller.account_id, [hand.product_id])
    for property_id, values in new.items():
        one = known.get(property_id)
        if one and one.links:
            continue  # the parent has a field of its own
        if one and one.property_type == "F":
            _refuse_texts(one, values)
        if one and one.code == MORE_PHOTO:
            await _change_gallery(tx, hand, one, values)
        else:
            own = [value for value in there if value.property_id == property_id]
            multiple = one.multiple if one else values.multiple
            await _change_files(tx, hand, property_id, own, NewValues(values.values, multiple))
            await _change_texts(tx, hand, property_id, own, NewValues(values.values, multiple))
    # Only now, since most of what a call lists takes the place of what was there.
    if await property_values.count_of_product(tx, hand.caller.account_id, hand.product_id) > MAX_VALUES:
        raise _too_many()


def _too_many() -> InvalidValue:
    return InvalidValue("property", f"The properties of a product have more than {MAX_VALUES} values")


def _refuse_texts(one: Declared, new: NewValues) -> None:
    if any(isinstance(value, Text) and value.text for value in new.values):
        raise InvalidValue(f"property{one.id}", f"Wrong format of field `property{one.id}`: it takes files")


async def _change_gallery(tx: Tx, hand: Hand, one: Declared, new: NewValues) -> None:
    """The values of the gallery are the product's further images; the id of a value is that of its image."""
    account_id = hand.caller.account_id
    shown = await image_rows.of_products(tx, account_id, [hand.product_id])
    there = {image.id: image for image in shown if image.role == "more"}
    leaving = _leaving(one.id, list(there), new)
    await images.let_go(tx, hand.caller, [image for image in there.values() if image.id in leaving], hand.now)
    for value in new.values:
        if isinstance(value, File):
            await _put(tx, hand, "more", value.upload)


async def _change_files(tx: Tx, hand: Hand, property_id: int, there: list[PropertyValue], new: NewValues) -> None:
    account_id = hand.caller.account_id
    files = {value.id: value.image for value in there if value.image}
    leaving = [files[value_id].id for value_id in _leaving(property_id, list(files), new)]
    await images.remove_files(tx, hand.caller, leaving, hand.now)
    for value in new.values:
        if isinstance(value, File):
            image = await _put(tx, hand, "more", value.upload, property_id)
            await property_values.add_value(
                tx, account_id, hand.product_id, property_id, multiple=new.multiple, held=image
            )


def _leaving(property_id: int, there: list[int], new: NewValues) -> set[int]:
    """The ids of file values that are removed or replaced. A property of one file has it replaced by any new one."""
    leaving = {value.value_id for value in new.values if isinstance(value, File | Removed)}
    if not new.multiple and any(isinstance(value, File) for value in new.values):
        return set(there)
    if len(there) > 1 and Removed() in new.values:
        raise InvalidValue(f"property{property_id}", f"Required fields: valueId of property{property_id}")
    return set(there) if Removed() in new.values else leaving & set(there)  # type: ignore[return-value]


async def _change_texts(tx: Tx, hand: Hand, property_id: int, there: list[PropertyValue], new: NewValues) -> None:
    """Texts that are listed with their id keep it, the others go."""
    account_id = hand.caller.account_id
    texts = {value.id for value in there if value.text is not None}
    listed = [value for value in new.values if isinstance(value, Text) and value.text is not None]
    for value_id in texts - {value.value_id for value in listed}:
        await property_values.remove_value(tx, account_id, value_id)
    for value in listed:
        text = _checked(property_id, str(value.text))
        if value.value_id is not None and value.value_id in texts:
            texts.discard(value.value_id)  # the second one with that id is a new value
            await property_values.set_text(tx, account_id, value.value_id, text)
        else:
            await property_values.add_value(
                tx, account_id, hand.product_id, property_id, multiple=new.multiple, held=text
            )
    if there:
        await property_values.set_multiple(
            tx, account_id, hand.product_id, property_id, multiple=new.multiple or there[0].multiple
        )


def _checked(property_id: int, text: str) -> str:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidValue("value", f"A value of property{property_id} has more than {MAX_TEXT_CHARACTERS} characters")
    return text


async def _put(tx: Tx, hand: Hand, role: ImageRole, upload: Upload, property_id: int | None = None) -> ProductImage:
    name = file_name(upload.name)
    new = NewImage(hand.product_id, role, name, images.new_address(), images.new_guid(), hand.now, property_id)
    return await images.put(tx, hand.caller, new, hand.blobs[upload])
