"""Images with their files, which FinerWorks' own API cannot take: our routes `upload` and `images/GUID`."""

from collections.abc import Mapping
from functools import partial
from typing import cast, get_args

from msgspec import structs

from packshot.domain.errors import InvalidValue, MissingField
from packshot.domain.images import ImageRole, cleaned_name
from packshot.domain.libraries import NO_GUID, Place
from packshot.protocols.body import FileForm
from packshot.protocols.finerworks import auth, wire
from packshot.protocols.finerworks.additions import MAX_TEXT_CHARACTERS
from packshot.protocols.finerworks.call import Answer, Body, Call
from packshot.protocols.finerworks.errors import WrongMediaType
from packshot.protocols.finerworks.library import guid_of, place_of, site_id_of, write_image
from packshot.services import hosting, originals
from packshot.services.hosting import Described
from packshot.services.images import new_guid

FORM_BYTES = 1024 * 1024
"""What a form may have beside its file: fields, headers, boundaries."""

_IN_LIBRARY = {"name": "library", "session_id": "session_id", "site_id": "site_id"}
"""What the fields of a library object are called here."""


async def upload(call: Call, body: Body) -> Answer:
    """upload: one file in a form, with fields that say what it is, in any order."""
    media_type = body.content_type.partition(";")[0].strip()
    if media_type.lower() != "multipart/form-data":
        raise WrongMediaType(media_type)
    async with originals.staging(call.core) as staged:
        form = FileForm(body.content_type, partial(originals.append, call.core, staged))
        await body.pour(call.core.prints.upload_bytes + FORM_BYTES, form.feed)
        form.finish()
        caller = await auth.for_account(call.core, call.caller, form.fields, call.query)
        sent = {"fields": form.fields, "file": [form.file_name, staged.digest.hexdigest()]}
        call = structs.replace(call, caller=caller, params=sent)
        said = _described(form.fields | {"file_name": form.fields.get("file_name") or form.file_name})
        image = await call.once(hosting.add, said, staged)
    return Answer({"images": [write_image(call, image)]})


async def put(call: Call, body: Body) -> Answer:
    """images/GUID: the body is the file, and the query says what it is."""
    call = structs.replace(call, caller=await auth.for_account(call.core, call.caller, {}, call.query))
    said = _described(call.query | {"guid": body.name})
    async with originals.staging(call.core) as staged:
        await body.pour(call.core.prints.upload_bytes, partial(originals.append, call.core, staged))
        call = structs.replace(call, params={"guid": said.guid, "file": staged.digest.hexdigest()})
        image = await call.once(hosting.add, said, staged)
    return Answer({"images": [write_image(call, image)]})


def _described(fields: wire.Fields) -> Described:
    place, product_id, role = _place(fields), wire.integer(fields, "product_id"), _role(fields)
    if product_id is None and role:
        raise MissingField("product_id")
    if product_id is not None and place != Place():
        raise InvalidValue("library", "has to be inventory for an image of a product")
    return Described(
        guid=_guid(fields) or new_guid(),
        place=place,
        name=cleaned_name(wire.text(fields, "file_name") or ""),
        title=wire.text(fields, "title", most=MAX_TEXT_CHARACTERS),
        description=wire.text(fields, "description", most=MAX_TEXT_CHARACTERS),
        site_id=site_id_of(_library(fields)),
        product_id=product_id,
        role=role or (None if product_id is None else "more"),
    )


def _library(fields: wire.Fields) -> Mapping[str, object]:
    return {"library": {name: fields.get(ours) for name, ours in _IN_LIBRARY.items()}}


def _place(fields: wire.Fields) -> Place:
    """The library, as in an object `library`. Raises: MissingField, InvalidValue."""
    return place_of(_library(fields)) or Place()


def _role(fields: wire.Fields) -> ImageRole | None:
    role = (wire.text(fields, "role") or "").strip().lower()
    if role and role not in get_args(ImageRole):
        raise InvalidValue("role", f"has to be {', '.join(get_args(ImageRole))}")
    return cast("ImageRole", role) if role else None


def _guid(fields: wire.Fields) -> str | None:
    text = wire.text(fields, "guid")
    guid = guid_of(text)
    if text and guid in {None, NO_GUID}:
        raise InvalidValue("guid", "has to be a guid")
    return guid
