"""Where the ids of a table go on, which each dialect keeps in a place of its own."""

from collections.abc import Collection

from packshot.storage.database import Reads, Tx
from packshot.storage.query import placeholders


async def next_id(reads: Reads, table: str) -> int:
    """The id that the next row gets, unless somebody else's comes first."""
    if reads.dialect == "sqlite":
        sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = ?1"
    else:  # NULL where none was handed out yet, or they began anew
        sql = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(?1, 'id')::regclass), 0) + 1"
    ((row_id,),) = await reads.all(sql, table)
    return int(row_id)


async def restart(tx: Tx, tables: Collection[str]) -> None:
    """Begin the ids of these tables, which are empty, at 1 again; those without ids may be among them."""
    marks = placeholders(1, tables)
    if tx.dialect == "sqlite":
        await tx.run(f"DELETE FROM sqlite_sequence WHERE name IN ({marks})", *tables)
        return
    names = await tx.all(
        f"SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema() AND sequencename IN ({marks})",
        *(f"{table}_id_seq" for table in tables),
    )
    for (name,) in names:
        # Not setval, which a work that is rolled back would leave behind.
        await tx.run(f"ALTER SEQUENCE {name} RESTART")
