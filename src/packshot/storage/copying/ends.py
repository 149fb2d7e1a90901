"""What both kinds of databases share as ends of a copy."""

from typing import NamedTuple

from packshot.storage.folder import StoreUnusable
from packshot.storage.nodes import OF_SERVERS

LEDGER = "migration"
STAYING = (LEDGER, *OF_SERVERS)
"""Tables that are no part of a store: how far its schema is, and those."""


class CannotCopy(StoreUnusable):
    """The rows of a store cannot be copied; the message says why. The target is as it was."""


class Table(NamedTuple):
    """A table with its columns, and those of its primary key in their order."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


def shown(table: Table | None) -> tuple[object, ...]:
    """What has to be the same in both databases; the order of columns need not be."""
    return () if table is None else (sorted(table.columns), table.key)


def literals(texts: tuple[str, ...]) -> str:
    """Names of ours, as statements compare with them."""
    return ", ".join(f"'{text}'" for text in texts)


def listed(names: tuple[str, ...]) -> str:
    """Columns, as statements name them."""
    return ", ".join(f'"{name}"' for name in names)
