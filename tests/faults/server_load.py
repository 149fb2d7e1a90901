"""What clients do to a server that gets killed (see server_killing.py), and what each of them may count on.

A visitor calls one method after the other through both protocols and knows what has to be there: all that was
answered. Everything it makes has a label of its own, so that the store can be compared with what all visitors know.
"""

import hashlib
import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import pictures
import stock
from build import file_content
from serving import Server

PICTURES = [*stock.PICTURES, *(pictures.jpeg_of_size(size_bytes) for size_bytes in (40_000, 150_000, 400_000))]
DIGESTS = [hashlib.sha256(data).hexdigest() for data in PICTURES]
KEPT = 24

Value = tuple[object, ...]
"""What something is, without its id: its kind first."""

Ids = dict[str, int | str]
Effects = dict[str, Value | None]
"""What becomes of what has these labels, all at once; None where it goes."""


class Broken(Exception):
    """The server did what it must never do."""


@dataclass
class Asked:
    """A call: what it changes when it comes through, and how to read the ids of what it made from its answer."""

    verb: str
    path: str
    body: bytes
    effects: list[Effects]
    learn: Callable[[Any], Ids | None]
    key: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Visitor:
    """A client with a number, `slot`; `there` and `ids` are by label. `born` and `gone` have all that ever was.

    It has at most so much as `kept`, and then deletes; its pictures are those with these `numbers`.
    """

    slot: int
    chance: random.Random
    webhook: str
    keys: dict[str, str]
    kept: int = KEPT
    numbers: Sequence[int] = range(len(PICTURES))
    there: dict[str, Value] = field(default_factory=dict)
    ids: Ids = field(default_factory=dict)
    born: Counter[tuple[str, int | str]] = field(default_factory=Counter)
    gone: Counter[tuple[str, int | str]] = field(default_factory=Counter)
    pending: Asked | None = None
    latest: tuple[Asked, Ids] | None = None
    made: int = 0
    acked_adds: int = 0
    acked_deletes: int = 0
    reads: int = 0

    def label(self) -> str:
        self.made += 1
        return f"{self.slot}-{self.made}.png"

    def of(self, kind: str) -> list[str]:
        """The labels of what there is of that kind."""
        return [label for label, value in self.there.items() if value[0] == kind]

    def take(self, effects: Effects, ids: Ids) -> None:
        """Count on these effects from now on."""
        for label, value in effects.items():
            if value is None:
                self.gone[str(self.there.pop(label)[0]), self.ids.pop(label)] += 1
                continue
            self.there[label] = value
            if label in ids:
                self.ids[label] = ids[label]
                self.born[str(value[0]), ids[label]] += 1


class Line:
    """A connection to the server that stays open."""

    def __init__(self, base_url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=30)

    def ask(self, verb: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> tuple[int, bytes]:
        """(status, body) of the answer. Raises: OSError, http.client.HTTPException (there is none)."""
        self._connection.request(verb, path, body, dict(headers))
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        self._connection.close()


def told(line: Line, visitor: Visitor, asked: Asked) -> Any:
    """The answer; None while somebody seems to be at work with that key. Raises: Broken, and as `Line.ask`."""
    key = {"Idempotency-Key": asked.key} if asked.key else {}
    status, body = line.ask(asked.verb, asked.path, asked.body, asked.headers | key)
    if status == http.HTTPStatus.CONFLICT and asked.key:
        return None
    if status != http.HTTPStatus.OK:
        raise Broken(f"{asked.path} of visitor {visitor.slot}: {status} {body[:300]!r}")
    return json.loads(body)


def answer_to(line: Line, visitor: Visitor, asked: Asked) -> Ids | None:
    """The ids of what the call made, of which the same holds."""
    answer = told(line, visitor, asked)
    return None if answer is None else asked.learn(answer)


# Calls that change something


def _rest(
    visitor: Visitor, method: str, params: Any, effects: list[Effects], learn: Callable[[Any], Ids | None]
) -> Asked:
    headers = {"Content-Type": "application/json"}
    path = urlsplit(visitor.webhook).path + method
    return Asked("POST", path, json.dumps(params).encode(), effects, learn, headers=headers)


def _v3(
    visitor: Visitor, verb: str, method: str, params: Any, effects: list[Effects], learn: Callable[[Any], Ids | None]
) -> Asked:
    headers = visitor.keys | {"Content-Type": "application/json"}
    return Asked(verb, f"/v3/{method}", json.dumps(params).encode(), effects, learn, headers=headers)


def _nothing(_: Any) -> Ids:
    return {}


def add_product(visitor: Visitor) -> Asked:
    label = visitor.label()
    params = {"fields": {"iblockId": 1, "name": label}}
    return _rest(
        visitor,
        "catalog.product.add",
        params,
        [{label: ("product",)}],
        lambda told: {label: told["result"]["element"]["id"]},
    )


def delete_product(visitor: Visitor) -> Asked:
    label = visitor.chance.choice(visitor.of("product"))
    effects: Effects = {label: None}
    effects |= {image: None for image in visitor.of("image") if visitor.there[image][1] == label}
    return _rest(visitor, "catalog.product.delete", {"id": visitor.ids[label]}, [effects], _nothing)


def add_image(visitor: Visitor) -> Asked:
    label, product = visitor.label(), visitor.chance.choice(visitor.of("product"))
    role, number = visitor.chance.choice(["more", "more", "detail"]), visitor.chance.choice(visitor.numbers)
    effects: Effects = {label: ("image", product, role, DIGESTS[number])}
    if role == "detail":  # in the place of the one that is there
        effects |= {old: None for old in visitor.of("image") if visitor.there[old][1:3] == (product, role)}
    params = {
        "fields": {"productId": visitor.ids[product], "type": "DETAIL_PICTURE" if role == "detail" else "MORE_PHOTO"},
        "fileContent": file_content(PICTURES[number], label),
    }
    return _rest(
        visitor,
        "catalog.productImage.add",
        params,
        [effects],
        lambda told: {label: told["result"]["productImage"]["id"]},
    )


_NOT_YET = {"IDEMPOTENCY_KEY_IN_USE", "INTERNAL_SERVER_ERROR"}
"""What commands are answered that are being done, or whose server lacks something: alone they get 409 and 503."""


def add_images_in_a_batch(visitor: Visitor) -> Asked:
    product = visitor.chance.choice(visitor.of("product"))
    small = [number for number in visitor.numbers if number < len(stock.PICTURES)]
    new = {visitor.label(): visitor.chance.choice(small) for _ in range(2)}
    commands = {}
    for label, number in new.items():
        name, content = file_content(PICTURES[number], label)
        fields = {"fields[productId]": visitor.ids[product], "fileContent[0]": name, "fileContent[1]": content}
        commands[label] = f"catalog.productImage.add?{urlencode(fields)}"
    commands["all"] = f"catalog.productImage.list?productId={visitor.ids[product]}"

    def learn(told: Any) -> Ids | None:
        errors = dict(told["result"]["result_error"] or {})
        errors.pop("all", None)  # who repeats the call later may have deleted the product
        if errors and {error["error"] for error in errors.values()} <= _NOT_YET:
            return None
        if errors:
            raise Broken(f"a batch of visitor {visitor.slot}: {errors}")
        return {label: told["result"]["result"][label]["productImage"]["id"] for label in new}

    effects: list[Effects] = [{label: ("image", product, "more", DIGESTS[number])} for label, number in new.items()]
    return _rest(visitor, "batch", {"cmd": commands}, effects, learn)


def delete_image(visitor: Visitor) -> Asked:
    label = visitor.chance.choice(visitor.of("image"))
    place = {"productId": visitor.ids[str(visitor.there[label][1])], "id": visitor.ids[label]}
    return _rest(visitor, "catalog.productImage.delete", place, [{label: None}], _nothing)


def add_images(visitor: Visitor) -> Asked:
    labels = [visitor.label() for _ in range(visitor.chance.randint(1, 3))]
    images = [{"file_name": label, "private_hires_uri": "https://img.example/h.jpg"} for label in labels]

    def learn(told: Any) -> Ids:
        return {label: image["guid"] for label, image in zip(labels, told["images"], strict=True)}

    effects: Effects = dict.fromkeys(labels, ("library", None))
    return _v3(visitor, "POST", "add_images", {"images": images, "library": None}, [effects], learn)


def upload(visitor: Visitor) -> Asked:
    label, number = visitor.label(), visitor.chance.choice(visitor.numbers)
    guid = str(UUID(int=visitor.chance.getrandbits(128), version=4))
    path = f"/packshot/v3/images/{guid}?file_name={quote(label)}"
    effects: Effects = {label: ("library", DIGESTS[number])}
    learn: Callable[[Any], Ids | None] = lambda told: {label: told["images"][0]["guid"]}  # noqa: E731 - with its type
    return Asked("PUT", path, PICTURES[number], [effects], learn, headers=visitor.keys)


def delete_images(visitor: Visitor) -> Asked:
    labels = visitor.of("library")
    chosen = visitor.chance.sample(labels, min(len(labels), visitor.chance.randint(1, 3)))
    sold = [label for label in visitor.of("sold") if visitor.there[label][1] in chosen]
    params = {"guids": [visitor.ids[label] for label in chosen], "library": None}
    return _v3(visitor, "DELETE", "delete_images", params, [dict.fromkeys([*chosen, *sold])], _nothing)


def sell(visitor: Visitor) -> Asked:
    label, image = visitor.label(), visitor.chance.choice(visitor.of("library"))
    product = {"product_qty": 1, "product_sku": "5M41M9S8X10", "product_title": label}
    product["product_image"] = {"library_file": {"guid": visitor.ids[image]}}
    effects: Effects = {label: ("sold", image, 0)}
    params = {"product": product, "mode": "store"}
    return _v3(visitor, "POST", "submit_product", params, [effects], lambda told: {label: told["products"][0]["sku"]})


def restock(visitor: Visitor) -> Asked:
    label = visitor.chance.choice(visitor.of("sold"))
    count = visitor.chance.randrange(10**6)
    change = {"sku": visitor.ids[label], "quantity_in_stock": count}
    effects: Effects = {label: ("sold", visitor.there[label][1], count)}
    return _v3(visitor, "PUT", "update_virtual_inventory", {"virtual_inventory": [change]}, [effects], _nothing)


def stop_selling(visitor: Visitor) -> Asked:
    label = visitor.chance.choice(visitor.of("sold"))
    return _v3(visitor, "DELETE", "delete_virtual_inventory", {"skus": [visitor.ids[label]]}, [{label: None}], _nothing)


CHANGES: dict[Callable[[Visitor], Asked], tuple[int, str]] = {
    add_product: (2, ""),
    add_image: (7, "product"),
    add_images_in_a_batch: (2, "product"),
    add_images: (3, ""),
    upload: (5, ""),
    sell: (4, "library"),
    restock: (3, "sold"),
    delete_product: (1, "product"),
    delete_image: (4, "image"),
    delete_images: (3, "library"),
    stop_selling: (1, "sold"),
}
"""How often each comes, and of what there has to be something for it."""

_ENDS = (delete_product, delete_image, delete_images, stop_selling)


def next_change(visitor: Visitor) -> Asked:
    """A change to what the visitor has, every other one with a key."""
    full = len(visitor.there) >= visitor.kept
    fit = {
        change: weight
        for change, (weight, kind) in CHANGES.items()
        if (not kind or visitor.of(kind)) and (not full or change in _ENDS)
    }
    (change,) = visitor.chance.choices(list(fit), list(fit.values()))
    asked = change(visitor)
    if visitor.chance.random() < 1 / 2:
        asked.key = f"{visitor.slot} {visitor.chance.randbytes(8).hex()}".replace(" ", "-")
    return asked


# A visit


def visit(visitor: Visitor, server: Server, killed: Event) -> None:
    """Call and call, until the server is gone. Raises: Broken."""
    line = Line(server.base_url)
    try:
        while True:
            if visitor.chance.random() < 1 / 4:
                look(visitor, line)
            visitor.pending = next_change(visitor)
            ids = answer_to(line, visitor, visitor.pending)
            if ids is None:
                raise Broken(f"a new key of visitor {visitor.slot} is at work already")
            done(visitor, visitor.pending, ids)
    except (OSError, http.client.HTTPException) as error:
        if not killed.is_set():
            raise Broken(f"visitor {visitor.slot} was left alone: {error!r}") from error
    finally:
        line.close()


def done(visitor: Visitor, asked: Asked, ids: Ids) -> None:
    """The call was answered, so what it changes has to stay."""
    for effects in asked.effects:
        visitor.acked_adds += sum(value is not None for value in effects.values())
        visitor.acked_deletes += sum(value is None for value in effects.values())
        visitor.take(effects, ids)
    visitor.latest, visitor.pending = ((asked, ids) if asked.key else visitor.latest), None


def look(visitor: Visitor, line: Line) -> None:
    """Read something that has to be there: a product's images, one of them with its bytes, or one of the library."""
    (kind,) = visitor.chance.sample(["product", "image", "library"], 1)
    if not visitor.of(kind):
        return
    label = visitor.chance.choice(visitor.of(kind))
    look_at(visitor, line, kind, label)
    visitor.reads += 1


def look_at(visitor: Visitor, line: Line, kind: str, label: str) -> None:
    """Read that product, image, or image of the library. Raises: Broken."""
    {"product": _look_at_product, "image": _look_at_image, "library": _look_at_library}[kind](visitor, line, label)


def _look_at_product(visitor: Visitor, line: Line, label: str) -> None:
    params = {"productId": visitor.ids[label], "start": -1}
    answer = told(line, visitor, _rest(visitor, "catalog.productImage.list", params, [], _nothing))
    shown = [image["id"] for image in answer["result"]["productImages"]]
    known = [visitor.ids[image] for image in visitor.of("image") if visitor.there[image][1] == label]
    if sorted(shown) != sorted(known):
        raise Broken(f"product {label} shows {shown} instead of {known}")


def _look_at_image(visitor: Visitor, line: Line, label: str) -> None:
    place = {"productId": visitor.ids[str(visitor.there[label][1])], "id": visitor.ids[label]}
    answer = told(line, visitor, _rest(visitor, "catalog.productImage.get", place, [], _nothing))
    _compare(line, label, answer["result"]["productImage"]["downloadUrl"], str(visitor.there[label][3]))


def _look_at_library(visitor: Visitor, line: Line, label: str) -> None:
    params = {"library": None, "guid_filter": [visitor.ids[label]]}
    shown = told(line, visitor, _v3(visitor, "POST", "list_images", params, [], _nothing))["images"]
    if [image["guid"] for image in shown] != [visitor.ids[label]]:
        raise Broken(f"the library shows {shown} instead of {label}")
    if digest := visitor.there[label][1]:
        _compare(line, label, shown[0]["private_hires_uri"], str(digest))


def _compare(line: Line, label: str, address: str, digest: str) -> None:
    parts = urlsplit(address)
    status, data = line.ask("GET", f"{parts.path}?{parts.query}")
    if status != http.HTTPStatus.OK or hashlib.sha256(data).hexdigest() != digest:
        raise Broken(f"{label} is downloaded as {len(data)} other bytes with {status}")


# What is really there


def held(ask: Callable[[str], Iterable[Sequence[Any]]]) -> tuple[dict[str, Value], Ids, list[str]]:
    """All that visitors made, as `Visitor.there` and `Visitor.ids`, and what is there twice; *ask* gives rows."""
    found: list[tuple[str, Value, int | str]] = [
        (name, ("product",), product_id)
        for name, product_id in ask("SELECT name, id FROM product WHERE name LIKE '%.png'")
    ]
    found += [
        (name, ("image", product, role, digest) if product else ("library", digest), image_id if product else guid)
        for name, product, role, digest, image_id, guid in ask(
            "SELECT i.name, p.name, i.role, b.digest, i.id, i.guid FROM image i"
            " LEFT JOIN product p ON p.id = i.product_id LEFT JOIN blob b ON b.id = i.blob_id"
        )
    ]
    found += [
        (name, ("sold", image, quantity), sku)
        for name, image, quantity, sku in ask(
            "SELECT p.name, i.name, p.quantity_in_stock, p.sku FROM inventory_product p"
            " JOIN image i ON i.id = p.image_id"
        )
    ]
    there = {label: value for label, value, _ in found}
    twice = [f"doubled: {label}" for label, count in Counter(label for label, *_ in found).items() if count > 1]
    return there, {label: id_ for label, _, id_ in found}, twice
