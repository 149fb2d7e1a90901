-- Backups, and what a restored store has to know of itself.

-- Until it expires, no blob's bytes are deleted: a backup may still have to copy them.
CREATE TABLE hold (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX hold_by_end ON hold (expires_at);

-- Each time the store was brought back from a backup; the last number is its epoch. What was handed out between
-- taken_at and restored_at, ids above all, is known to others and not to us.
CREATE TABLE restore (
    epoch INTEGER PRIMARY KEY,
    taken_at INTEGER NOT NULL,
    restored_at INTEGER NOT NULL
) STRICT;
