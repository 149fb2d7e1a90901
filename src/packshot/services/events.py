"""Events: what changed, noted in the transaction that changed it and sent out afterwards."""

import hashlib
from collections.abc import Iterable
from typing import Literal

import msgspec

from packshot.domain.access import Principal
from packshot.domain.accounts import Application
from packshot.domain.events import INSTALL, Data, Listener
from packshot.domain.images import ProductImage
from packshot.domain.libraries import LibraryImage
from packshot.domain.products import Kind
from packshot.services import calls
from packshot.storage import accounts, applications, handlers, offline, outbox, products
from packshot.storage.database import Tx

ProductEvent = Literal["CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE", "CATALOG.PRODUCT.ON.DELETE"]
ImageEvent = Literal[
    "PACKSHOT.IMAGE.ON.ADD", "PACKSHOT.IMAGE.ON.UPDATE", "PACKSHOT.IMAGE.ON.DELETE", "PACKSHOT.IMAGE.ON.RESTORE",
    "PACKSHOT.IMAGE.ON.CORRUPT",
]  # fmt: skip

_encoder = msgspec.json.Encoder()


async def note_product(tx: Tx, caller: Principal, event: ProductEvent, product_id: int, kind: int, now: int) -> None:
    """Note that a product was added, changed or deleted, for everybody who listens."""
    listeners = await handlers.of_listeners(tx, caller.account_id, event)
    await _note_all(tx, caller, listeners, product_id, {"ID": product_id, "TYPE": int(kind)}, now)


async def note_images(
    tx: Tx, caller: Principal, event: ImageEvent, images: Iterable[ProductImage | LibraryImage], now: int
) -> None:
    """Note that images were added, changed, deleted, restored or found corrupt, for everybody who listens.

    Events of a product's images come in the order of that product, those of a library in that of the image.
    """
    listeners = await handlers.of_listeners(tx, caller.account_id, event)
    for image in images:
        fields: Data = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": image.product_id, "ROLE": image.role}
        await _note_all(tx, caller, listeners, image.product_id or -image.id, fields, now)


async def note_detached(tx: Tx, caller: Principal, image: ProductImage, now: int) -> None:
    """Note that an image left its product for the library alone, in the order of that product."""
    fields: Data = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": None, "ROLE": None}
    listeners = await handlers.of_listeners(tx, caller.account_id, "PACKSHOT.IMAGE.ON.UPDATE")
    await _note_all(tx, caller, listeners, image.product_id, fields, now)


async def _note_all(
    tx: Tx, caller: Principal, listeners: Iterable[Listener], order: int, fields: Data, now: int
) -> None:
    for listener in listeners:
        await note(tx, caller, listener, order, {"FIELDS": fields}, now)


async def note_new_looks(tx: Tx, caller: Principal, product_ids: Iterable[int], now: int) -> None:
    """Note that a call changed nothing but images of products: that changes them, unless the settings say otherwise."""
    if not calls.current().image_changes_product:
        return
    listeners = await handlers.of_listeners(tx, caller.account_id, "CATALOG.PRODUCT.ON.UPDATE")
    for product_id in product_ids if listeners else ():
        product = await products.find_product(tx, caller.account_id, product_id, tuple(Kind))
        kind = int(product["kind"] or 0) if product else 0
        await _note_all(tx, caller, listeners, product_id, {"ID": product_id, "TYPE": kind}, now)


async def note(tx: Tx, caller: Principal, listener: Listener, product_id: int, data: Data, now: int) -> None:
    """Note one event for one who listens: to be sent, or to be fetched."""
    text = _encoder.encode(data).decode()
    if listener.receiver_id is not None:
        user_id = listener.user_id or caller.user_id or await _somebody(tx, listener.application_id)
        await outbox.add_event(tx, caller.account_id, listener, (product_id, text, user_id, now))
    elif not (listener.connector and _is_own(caller, listener)):
        message_id = hashlib.blake2b(f"{listener.event}|{text}".encode(), digest_size=16).hexdigest()
        await offline.add_event(tx, caller.account_id, listener, (message_id, text, now))


async def note_install(tx: Tx, application: Application, url: str, now: int) -> None:
    """Note that an application was registered, for itself at its own address."""
    user_id = await _somebody(tx, application.id)
    receiver_id = await handlers.add_receiver(tx, (application.account_id, application.id), url, None, now)
    listener = Listener(0, application.id, receiver_id, INSTALL, user_id, "")
    handler_id = await handlers.add_handler(tx, application.account_id, listener, "", now)
    listener = msgspec.structs.replace(listener, handler_id=handler_id)
    data = _encoder.encode({"VERSION": 1, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"}).decode()
    await outbox.add_event(tx, application.account_id, listener, (0, data, user_id, now))


async def _somebody(tx: Tx, application_id: int | None) -> int:
    """Whose tokens an application gets with what no user caused; 0 for an outgoing webhook, which gets none.

    They are an administrator's, or those of another user where no administrator may use it.
    """
    application = None if application_id is None else await applications.find_by_id(tx, application_id)
    if application is None:
        return 0
    everybody = await accounts.of_users(tx, application.account_id)
    users = [user for user in everybody if user.disabled_at is None and user.id in (application.members or [user.id])]
    return min(((user.role != "administrator", user.id) for user in users), default=(True, 0))[1]


def _is_own(caller: Principal, listener: Listener) -> bool:
    return caller.application_id == listener.application_id and calls.current().connector == listener.connector
