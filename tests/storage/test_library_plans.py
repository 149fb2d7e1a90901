"""What libraries ask of the database: pages are walks in their order, and what few guids name is looked up."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs

from build import make_library_images
from packshot.domain.access import Principal
from packshot.domain.libraries import Place, Sort, Wanted
from packshot.services import libraries, selections, setup
from packshot.services.core import Core
from packshot.storage import library_lists
from packshot.storage.sqlite import connect
from plans import Statements, measure, multiply


def shelve(path: Path, count: int) -> None:
    """So many images like the first one, each with a guid, a title and a name of its own."""
    connection = connect(path)
    multiply(
        connection,
        "image",
        count,
        {
            "guid": "printf('%08x-0000-4000-8000-000000000000', n)",
            "title": "'Dunes ' || n * 7919 % 100003",
            "name": "n * 104729 % 100003 || '.jpg'",
            "size_bytes": "n * 31 % 100003",
            "created_at": "created_at + n",
            "searched": "'dunes ' || n",
        },
    )
    connection.close()


SORTS: tuple[Sort, ...] = ("id", "title", "name", "size_bytes", "created_at")
GUIDS = tuple(f"{number:08x}-0000-4000-8000-000000000000" for number in range(500, 550))


async def test_finding_images_takes_no_more_work_among_a_hundred_thousand_than_among_a_thousand(
    watched: Core, statements: Statements, tmp_path: Path
) -> None:
    seed = await setup.create_account(watched)
    assert seed is not None
    caller = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
    await make_library_images(watched, caller, 1)
    session = Place("temporary", "a session")

    def find(wanted: Wanted) -> Callable[[], Awaitable[object]]:
        async def act() -> None:
            page = await libraries.list_images(watched, caller, wanted)
            assert page.total == (len(GUIDS) if wanted.guids else 0), wanted

        return act

    async def select() -> None:
        await selections.replace(watched, caller, GUIDS[0], GUIDS)
        assert await selections.of_selection(watched, caller, GUIDS[0]) == list(GUIDS)

    async def preview() -> None:
        assert len(await libraries.preview_removal(watched, caller, GUIDS, None)) == len(GUIDS)

    acts = {f"guids by {sort}": find(Wanted(guids=GUIDS, sort=sort)) for sort in SORTS}
    acts |= {f"an empty session by {sort}": find(Wanted(place=session, sort=sort)) for sort in SORTS}
    acts |= {"guids and a search": find(Wanted(guids=GUIDS, search="dunes", sort="title"))}
    acts |= {"a selection": select, "a preview": preview}

    taken = await measure(statements, tmp_path / "data" / "packshot.sqlite3", acts, shelve)

    assert all(many <= few + few // 4 + 2 for few, many in taken.values()), taken


FILTERS = {
    "search": Wanted(search="dunes"),
    "active": Wanted(active=True),
    "unshared": Wanted(shared=False),
    "dates": Wanted(created_from=1, created_before=2),
    "dates and search": Wanted(created_from=1, search="dunes"),
}


async def plan_of(core: Core, statements: Statements, path: Path, wanted: Wanted) -> list[str]:
    """The steps of the one statement that finds a page."""
    statements.clear()
    await library_lists.list_images(core.db, 1, wanted)
    ((sql, values),) = statements
    connection = connect(path)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    connection.close()
    return [row[3] for row in rows]


@pytest.mark.parametrize("sort", SORTS)
async def test_a_page_of_a_library_is_a_walk_in_its_order_and_a_count_in_an_index(
    watched: Core, statements: Statements, tmp_path: Path, sort: Sort
) -> None:
    path = tmp_path / "data" / "packshot.sqlite3"
    order = {"id": "", "size_bytes": "_by_size", "created_at": "_by_date"}.get(sort, f"_by_{sort}")

    for descending in (False, True):
        plan = await plan_of(watched, statements, path, Wanted(sort=sort, descending=descending))

        assert plan[0] == f"SEARCH i USING INDEX image_in_inventory{order} (account_id=?)"
        assert "SEARCH i USING COVERING INDEX image_in_inventory_by_date (account_id=?)" in plan
        assert not [step for step in plan if step.startswith(("SCAN", "USE TEMP"))]


@pytest.mark.parametrize("name", FILTERS)
async def test_a_filtered_page_of_a_library_sorts_nothing_and_is_filtered_in_an_index(
    watched: Core, statements: Statements, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "data" / "packshot.sqlite3"
    # A search between two dates looks at the rows of these days in the table.
    index = "INDEX image_in_inventory_by_date" if name == "dates and search" else "COVERING INDEX image_in_inventory"

    for sort in SORTS:
        plan = await plan_of(watched, statements, path, structs.replace(FILTERS[name], sort=sort))

        assert plan[0].startswith("SEARCH i USING INDEX image_in_inventory")
        assert any(step.startswith(f"SEARCH i USING {index}") for step in plan[1:]), plan
        assert {step for step in plan if step.startswith(("SCAN", "USE TEMP"))} == {"SCAN found"}
