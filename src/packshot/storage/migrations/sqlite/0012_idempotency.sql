-- Calls that came with an Idempotency-Key. method: what was called, or the place in a batch. digest: what the call said.
-- Until lease_ends_at somebody is at work on it; then it may be done by whoever comes. result: what the work came to, a
-- JSON value that is written in the work's own transaction; from then on the call is never done again.
CREATE TABLE idempotency (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    method TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    lease_ends_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    result TEXT,
    UNIQUE (account_id, method, key)
) STRICT;
CREATE INDEX idempotency_by_end ON idempotency (expires_at);
