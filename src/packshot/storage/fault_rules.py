"""Rows of fault rules. They are the server's own: no account has a part in them."""

from packshot.domain.errors import Conflict
from packshot.storage.database import Reads, Tx

MOST_RULES = 100


async def of_rules(reads: Reads) -> list[str]:
    """All rules, oldest first."""
    rows = await reads.all("SELECT rule FROM fault_rule ORDER BY id LIMIT ?1", MOST_RULES)
    return [row[0] for row in rows]


async def add_rule(tx: Tx, rule: str, now: int) -> None:
    """Insert a rule, unless it is there. Raises: Conflict (there are `MOST_RULES`)."""
    if len(await of_rules(tx)) == MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} fault rules already")
    await tx.run("INSERT INTO fault_rule (rule, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING", rule, now)


async def remove_rules(tx: Tx) -> int:
    """Delete every rule and return how many there were."""
    return await tx.run("DELETE FROM fault_rule")
