-- Where snapshots of this store lie, and what is left to do of erasures.

-- Whoever erases something is told which of them still hold it.
CREATE TABLE backup (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    UNIQUE (target, snapshot)
) STRICT;

-- key: bytes that have lost their row and are to be deleted, with all that was made of them. The row without a key goes
-- last, once the file of the database was written anew: until then its free pages hold what was in them.
CREATE TABLE erasure (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT UNIQUE,
    begun_at INTEGER NOT NULL
) STRICT;
