"""Lists of libraries: one page in the wanted order, and how many images there are in all."""

from typing import Any

from packshot.domain.libraries import LibraryImage, Sort, Wanted
from packshot.domain.paging import Page
from packshot.storage.database import Reads
from packshot.storage.library import COLUMNS, image

_SORTED_BY: dict[Sort, str] = {
    "id": "",
    "title": "i.title {0}, ",
    "name": "i.name {0}, ",
    "size_bytes": "i.size_bytes {0}, ",
    "created_at": "i.created_at {0}, ",
}
"""What comes before the id, which goes the same way and so leaves no choice: no image is on two pages."""


async def list_images(reads: Reads, account_id: int, wanted: Wanted) -> Page[LibraryImage]:
    """One page of a library; the total is that of all images that match, also behind the last page.

    One statement finds both. With filters it goes through the library once in the order of the table, and then
    through the wanted order as far as the end of the page, taking what it found before: whether that is nothing or
    everything, the work stays about twice that of counting. Few guids are looked up and sorted instead.
    """
    values: list[Any] = [account_id]
    place = " AND ".join(_place(wanted, values))
    filters = _filters(wanted, values)
    matching = " AND ".join([place, *filters])
    found, within, total = "", matching, f"(SELECT count(*) FROM image i WHERE {matching})"
    if filters and wanted.guids is None:
        found = f"WITH found AS MATERIALIZED (SELECT i.id FROM image i WHERE {matching})"
        # The plus keeps SQLite from looking up and sorting everything found; PostgreSQL knows how much that is.
        sign = "+" if reads.dialect == "sqlite" else ""
        within, total = f"{place} AND {sign}i.id IN (SELECT id FROM found)", "(SELECT count(*) FROM found)"
    order = f"{_SORTED_BY[wanted.sort]}i.id {{0}}".format("DESC" if wanted.descending else "ASC")
    rows = await reads.all(
        f"{found} SELECT {total}, {COLUMNS} FROM image i WHERE {within}"
        f" ORDER BY {order} LIMIT {wanted.limit:d} OFFSET {wanted.offset:d}",
        *values,
    )
    if not rows and wanted.offset:
        rows = await reads.all(f"{found} SELECT {total}", *values)
        return Page([], int(rows[0][0]))
    return Page([image(row[1:]) for row in rows], int(rows[0][0]) if rows else 0)


def _place(wanted: Wanted, values: list[Any]) -> list[str]:
    if wanted.place.library == "inventory":
        return ["i.account_id = ?1", "i.library = 'inventory'"]
    session, now = _bind(values, wanted.place.session_id), _bind(values, wanted.now)
    return ["i.account_id = ?1", "i.library = 'temporary'", f"i.session_id = {session}", f"i.expires_at > {now}"]


def _filters(wanted: Wanted, values: list[Any]) -> list[str]:
    filters = [] if wanted.shared else ["i.product_id IS NULL"]
    if wanted.guids is not None:
        filters.append(f"i.guid IN ({', '.join(_bind(values, guid) for guid in wanted.guids) or 'NULL'})")
    if wanted.active is not None:
        filters.append(f"i.active = {_bind(values, int(wanted.active))}")
    if wanted.created_from is not None:
        filters.append(f"i.created_at >= {_bind(values, wanted.created_from)}")
    if wanted.created_before is not None:
        filters.append(f"i.created_at < {_bind(values, wanted.created_before)}")
    if wanted.search:
        filters.append(f"i.searched LIKE {_bind(values, _pattern(wanted.search))} ESCAPE '\\'")
    return filters


def _pattern(search: str) -> str:
    # In `searched` a line break stands between two parts only, which nothing sought may span.
    text = search.casefold().replace("\n", " ").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{text}%"


def _bind(values: list[Any], value: Any) -> str:
    values.append(value)
    return f"?{len(values)}"
