"""Seed files: TOML or JSON with catalogs, sections, properties, products and pictures, in the words of the wire.

Fields are called as in Bitrix24's answers and take what those take; where an id would stand, there is the key of
something described before.
"""

import difflib
import json
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, get_args

import msgspec

from packshot.domain.catalogs import Property, Section, check_name, check_property, code_for
from packshot.domain.errors import InvalidRequest, PackshotError
from packshot.domain.images import ImageRole, file_name
from packshot.domain.products import PARENTS, READ_ONLY, VARIATIONS, Kind, check_fields
from packshot.imaging.sketch import Subject, View
from packshot.protocols.bitrix import objects, properties, sections, wire
from packshot.protocols.bitrix.images import TYPES
from packshot.protocols.bitrix.product_fields import FAMILIES, WIRE_NAMES, Family, by_key, reader
from packshot.protocols.bitrix.wire import Field
from packshot.services.demo import Drawing
from packshot.services.seeds import USUAL, Contents, NewCatalog, NewProduct, NewProperty, NewSection, Picture

Entry = Mapping[str, Any]
Sort = Literal["catalog", "section", "property", "product"]
Known = Mapping[str, Field]
Made = TypeVar("Made", NewSection, NewProperty)

_SORTS: dict[str, Sort] = {
    "catalogs": "catalog", "sections": "section", "properties": "property", "products": "product",
}  # fmt: skip
_FAMILIES = {name.replace("catalog.product.", "").replace("catalog.", ""): one for name, one in FAMILIES.items()}
"""Sorts of products by the last part of their methods' names: product, sku, offer, service."""

_ROLES: dict[str, ImageRole] = {name: role for role, name in TYPES.items()}
_DRAWN_PX = 400
_LARGEST_PX = 2000
_GREY = [128, 128, 128]
_MOST = 255
_LISTED = 15
"""How many names a message lists; where there are more of them it does not help."""


def _fields_of(table: objects.Table, without: Collection[str]) -> dict[str, Field]:
    known = objects.filters(table, UTC)
    return {name: known[wire.field_key(name)] for name, trait in table.items() if trait.name and name not in without}


_SECTION = _fields_of(sections.FIELDS, {"id", "iblockId", "iblockSectionId"})
_PROPERTY = _fields_of(properties.FIELDS, {"id", "iblockId", "linkIblockId", "timestampX"})
_NOT_GIVEN = READ_ONLY | {"catalog_id", "section_id", "parent_id"}


def _product(family: Family) -> dict[str, Field]:
    return {
        WIRE_NAMES[name]: Field(name, reader(name, UTC)) for name in by_key(family).values() if name not in _NOT_GIVEN
    }


def load(path: Path) -> Contents:
    """What the file says a store is to hold. Raises: InvalidRequest, whose message names file and place."""
    values = _decoded(path)
    for name, entries in values.items():
        if name not in _SORTS:
            raise InvalidRequest("", f"In {path}: there is no {name!r}{_instead(name, _SORTS)}")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InvalidRequest("", f"In {path}: {name} has to be a list of tables, like [[{name}]]")
    return _Reading(path).contents(values)


def _decoded(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8-sig")  # as some editors save it
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        json.dumps(values, default=str, ensure_ascii=False).encode()  # what JSON escapes may be half a character
    except OSError as error:
        raise InvalidRequest("", f"The seed file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # those of TOML, JSON and UTF-8 alike
        raise InvalidRequest("", f"The seed file {path} cannot be read: {error}") from None
    except RecursionError:
        raise InvalidRequest("", f"The seed file {path} cannot be read: it is nested too deeply") from None
    if not isinstance(values, dict):
        raise InvalidRequest("", f"The seed file {path} has to hold one object with catalogs, products and so on")
    return values


def _instead(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, cutoff=0.7)
    choices = f": there are {', '.join(known)}" if 0 < len(known) <= _LISTED else ""
    return f": do you mean {close[0]}?" if close else choices


class _Table:
    """One table of the file while it is read: where it stands, and what of it has been asked for."""

    def __init__(self, place: str, entry: Entry) -> None:
        self.place = place
        self._left = dict(entry)
        self._asked: list[str] = []

    def fail(self, why: str) -> NoReturn:
        raise InvalidRequest("", f"{self.place}: {why}")

    def take(self, name: str, default: Any = None) -> Any:
        self._asked.append(name)
        return self._left.pop(name, default)

    def text(self, name: str) -> str | None:
        value = self.take(name)
        if value is not None and not (isinstance(value, str) and value):
            self.fail(f"{name} has to be a text, not {value!r}")
        return value

    def reference(self, name: str, known: Collection[str]) -> str | None:
        """The key of something described before, or None where there is none."""
        value = self.text(name)
        if value is not None and value not in known:
            self.fail(f"{name} = {value!r} is the key of nothing before it that fits{_instead(value, known)}")
        return value

    def one_of(self, name: str, known: Collection[str], default: str) -> str:
        value = self.text(name) or default
        if value not in known:
            self.fail(f"{name} cannot be {value!r}{_instead(value, known)}")
        return value

    def fields(self, known: Known) -> dict[str, Any]:
        """All that nobody has asked for, as fields by the names of the domain."""
        by_key = {wire.field_key(name): field for name, field in known.items()}
        found = {}
        for name, value in self._left.items():
            field = by_key.get(wire.field_key(name))
            if field is None:
                self.fail(f"there is no field {name}{_instead(name, [*self._asked, *known])}")
            try:
                found[field.name] = field.read(value.isoformat() if isinstance(value, date) else value)
            except (ValueError, OverflowError):
                self.fail(f"{name} cannot be {value!r}")
        return {name: value for name, value in found.items() if value is not None}

    @contextmanager
    def checking(self) -> Iterator[None]:
        """What is refused inside is refused with this table's place."""
        try:
            yield
        except PackshotError as error:
            self.fail(str(error))
        except msgspec.ValidationError as error:
            self.fail(str(error).replace("$.", ""))


class _Reading:
    """One file while it is read: the keys so far by sort, each with what later references to it need to know."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._catalogs: dict[str, NewCatalog] = {}
        self._sections: dict[str, NewSection] = {}
        self._properties: dict[str, NewProperty] = {}
        self._products: dict[str, NewProduct] = {}
        self._codes: set[tuple[str, str, str]] = set()

    def contents(self, values: Mapping[str, list[Entry]]) -> Contents:
        for key, table in self._tables("catalog", values.get("catalogs", [])):
            self._catalogs[key] = self._catalog(key, table)
        self._catalogs = self._catalogs or {catalog.key: catalog for catalog in USUAL}
        for key, table in self._tables("section", values.get("sections", [])):
            self._sections[key] = self._section(key, table)
        for key, table in self._tables("property", values.get("properties", [])):
            self._properties[key] = self._property(key, table)
        for key, table in self._tables("product", values.get("products", [])):
            self._products[key] = self._product(key, table)
        return Contents(
            tuple(self._catalogs.values()), tuple(self._sections.values()),
            tuple(self._properties.values()), tuple(self._products.values()),
        )  # fmt: skip

    def _tables(self, sort: Sort, entries: list[Entry]) -> Iterator[tuple[str, _Table]]:
        for number, entry in enumerate(entries, 1):
            shown = entry.get("key") or entry.get("name")
            table = _Table(f"In {self._path}, {sort} {number}" + (f" ({shown})" if shown else ""), entry)
            key = table.text("key") or f"{sort} {number}"
            if any(key in known for known in (self._catalogs, self._sections, self._properties, self._products)):
                table.fail(f"the key {key!r} is there already")
            yield key, table

    def _catalog(self, key: str, table: _Table) -> NewCatalog:
        parent = table.reference("productIblockId", self._catalogs)
        if parent and (self._catalogs[parent].variations_of or self._variations_of(parent)):
            table.fail(f"the catalog {parent!r} holds variations itself, or has a catalog of them already")
        name = table.text("name") or ""
        with table.checking():
            check_name(name)
        table.fields({})
        return NewCatalog(key=key, place=table.place, name=name, variations_of=parent)

    def _section(self, key: str, table: _Table) -> NewSection:
        catalog = table.reference("iblockId", self._catalogs) or self._goods()
        parent = table.reference("iblockSectionId", _within(self._sections, catalog))
        values = {"name": "", "catalog_id": 0} | table.fields(_SECTION)
        with table.checking():
            section = msgspec.convert(values, Section, strict=False)
            check_name(section.name)
        self._take_code(table, "section", catalog, section.code)
        return NewSection(key=key, place=table.place, catalog=catalog, parent=parent, section=section)

    def _property(self, key: str, table: _Table) -> NewProperty:
        catalog = table.reference("iblockId", self._catalogs) or self._goods()
        links_to = table.reference("linkIblockId", self._catalogs)
        values = {"name": "", "property_type": "S", "multiple": False} | table.fields(_PROPERTY)
        with table.checking():
            values.setdefault("code", code_for(str(values["name"])))
            made = msgspec.convert(values, Property, strict=False)
            check_property(made)
        self._take_code(table, "property", catalog, made.code)
        return NewProperty(key=key, place=table.place, catalog=catalog, links_to=links_to, property=made)

    def _product(self, key: str, table: _Table) -> NewProduct:
        family = _FAMILIES[table.one_of("kind", _FAMILIES, "product")]
        kind = family.kinds[0]
        parents = {key: one for key, one in self._products.items() if one.kind in PARENTS}
        parent = table.reference("parentId", parents if kind in VARIATIONS else {})
        catalog = table.reference("iblockId", self._catalogs) or self._usual_catalog(table, kind, parent)
        section = table.reference("iblockSectionId", _within(self._sections, catalog))
        pictures = tuple(self._pictures(table, table.take("images", [])))
        values = self._values(table, catalog, table.take("properties", {}))
        fields = table.fields(_product(family))
        if not fields.get("name"):
            table.fail("name is missing")
        with table.checking():
            check_fields(fields)
        self._take_code(table, "product", catalog, fields.get("code"))
        return NewProduct(
            key=key, place=table.place, kind=kind, catalog=catalog, section=section, parent=parent,
            fields=fields, values=values, pictures=pictures,
        )  # fmt: skip

    def _goods(self) -> str:
        return next(iter(self._catalogs))

    def _variations_of(self, catalog: str) -> str | None:
        return next((key for key, one in self._catalogs.items() if one.variations_of == catalog), None)

    def _usual_catalog(self, table: _Table, kind: Kind, parent: str | None) -> str:
        if kind not in VARIATIONS:
            return self._goods()
        of = self._products[parent].catalog if parent else self._goods()
        return self._variations_of(of) or table.fail(f"the catalog {of!r} has no catalog of variations")

    def _take_code(self, table: _Table, sort: Sort, catalog: str, code: str | None) -> None:
        if code and (sort, catalog, code) in self._codes:
            table.fail(f"another {sort} of the catalog has the code {code}")
        self._codes.add((sort, catalog, code or ""))

    def _values(self, table: _Table, catalog: str, given: Any) -> dict[str, tuple[str | Picture, ...]]:
        known = _within(self._properties, catalog)
        if not isinstance(given, dict):
            table.fail("properties has to be a table of values by the keys of properties")
        values: dict[str, tuple[str | Picture, ...]] = {}
        for key, value in given.items():
            if key not in known:
                table.fail(f"there is no property with the key {key!r} in its catalog{_instead(key, known)}")
            items = value if isinstance(value, list) else [value]
            values[key] = tuple(self._value(table, key, number, item) for number, item in enumerate(items, 1))
        return values

    def _value(self, table: _Table, key: str, number: int, value: Any) -> str | Picture:
        takes_files = self._properties[key].property.property_type == "F"
        if isinstance(value, dict) and takes_files:
            inner = _Table(f"{table.place}, value {number} of {key}", value)
            return self._picture(inner)
        if isinstance(value, dict | list) or takes_files:
            wanted = "files, like { file = ... }" if takes_files else "texts and numbers"
            table.fail(f"{key} takes {wanted}, not {value!r}")
        return ("N", "Y")[value] if isinstance(value, bool) else str(value)

    def _pictures(self, table: _Table, given: Any) -> Iterator[tuple[ImageRole, Picture]]:
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            table.fail("images has to be a list of tables")
        for number, one in enumerate(given, 1):
            inner = _Table(f"{table.place}, image {number}", one)
            role = _ROLES[inner.one_of("type", _ROLES, "MORE_PHOTO")]
            yield role, self._picture(inner)

    def _picture(self, table: _Table) -> Picture:
        """A picture out of a file beside the seed file, or a drawing."""
        file, drawn = table.text("file"), table.text("drawn")
        if (file is None) == (drawn is None):
            table.fail("it needs either a file or what is drawn")
        path = self._path.parent / (file or "")
        if file and not _is_file(path):
            table.fail(f"there is no file {path}")
        name = table.text("name") or (path.name if file else f"{drawn}.jpeg".replace(" ", "-"))
        with table.checking():
            file_name(name)
        source = path if file else _drawing(table, drawn)
        table.fields({})
        return Picture(place=table.place, name=name, source=source)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long
        return False


def _drawing(table: _Table, subject: str | None) -> Drawing:
    if subject not in get_args(Subject):
        table.fail(f"drawn cannot be {subject!r}{_instead(str(subject), get_args(Subject))}")
    values = {"subject": subject, "colour": table.take("colour", _GREY), "side_px": table.take("sidePx", _DRAWN_PX)}
    values["view"] = table.one_of("view", get_args(View), "whole")
    with table.checking():
        drawing = msgspec.convert(values, Drawing)
    if not all(0 <= channel <= _MOST for channel in drawing.colour):
        table.fail("colour has three numbers from 0 to 255: red, green and blue")
    if not 1 <= drawing.side_px <= _LARGEST_PX:
        table.fail(f"sidePx is from 1 to {_LARGEST_PX}")
    return drawing


def _within(known: Mapping[str, Made], catalog: str) -> dict[str, Made]:
    return {key: one for key, one in known.items() if one.catalog == catalog}
