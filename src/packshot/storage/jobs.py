"""Rows of jobs: what one server does for all that share the store, and until when nobody else begins it.

All times are those of the database's own clock.
"""

from packshot.storage.database import CLOCK, Tx


async def take(tx: Tx, name: str, node: str, for_us: int) -> int | None:
    """Begin a job and keep the others away for so long; how often it was begun before, by whomever.

    None where another server has it, or has done it and it is not due again.
    """
    now = CLOCK[tx.dialect]
    row = await tx.one(
        f"INSERT INTO job (name, node, until, times) VALUES (?1, ?2, {now} + ?3, 1)"
        " ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until, times = job.times + 1"
        f" WHERE job.until <= {now} OR job.node = excluded.node RETURNING times - 1",
        name, node, for_us,
    )  # fmt: skip
    return None if row is None else int(row[0])


async def keep(tx: Tx, name: str, node: str, for_us: int) -> bool:
    """Keep the others away for so long from now on at least; False where one of them has the job by now.

    What comes too late, after `end`, makes nothing shorter.
    """
    until = f"{CLOCK[tx.dialect]} + ?3"
    changed = await tx.run(
        f"UPDATE job SET until = CASE WHEN until > {until} THEN until ELSE {until} END WHERE name = ?1 AND node = ?2",
        name, node, for_us,
    )  # fmt: skip
    return changed > 0


async def end(tx: Tx, name: str, node: str, for_us: int) -> None:
    """Have a job that is done be due again after so long, unless another server has it by now."""
    now = CLOCK[tx.dialect]
    await tx.run(f"UPDATE job SET until = {now} + ?3 WHERE name = ?1 AND node = ?2", name, node, for_us)
