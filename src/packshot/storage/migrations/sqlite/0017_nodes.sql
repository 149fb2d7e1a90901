-- What the servers that share a store know of each other. Of one server with a file of its own little of it is needed.

-- Each that serves, and when it last said so by the database's clock. `version` is Packshot's.
CREATE TABLE node (
    id TEXT NOT NULL PRIMARY KEY,
    seen_at INTEGER NOT NULL,
    version TEXT NOT NULL
) STRICT;

-- The settings that all of them have to have alike, as the first of them had them.
CREATE TABLE agreed (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- What one of them does for all: nobody else begins it before `until`, by the database's clock. `times`: how often it
-- was begun.
CREATE TABLE job (
    name TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    until INTEGER NOT NULL,
    times INTEGER NOT NULL
) STRICT;

-- Who is sending an event, and until when by the database's clock nobody else does.
ALTER TABLE outbox ADD COLUMN claimed_by TEXT;
ALTER TABLE outbox ADD COLUMN claimed_until INTEGER;
CREATE INDEX outbox_claimed ON outbox (receiver_id) WHERE claimed_until IS NOT NULL;

-- What counts against the limits of Bitrix24's cloud. Where one server has the store, its memory has them instead.
-- empty_at: when the bucket of calls will have leaked all that it holds.
CREATE TABLE calls_counted (
    account_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    empty_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, source)
) STRICT;

-- How long calls took that began in a minute, by who called what; began_at is the first of them.
CREATE TABLE time_operated (
    caller TEXT NOT NULL,
    minute INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    took_us INTEGER NOT NULL,
    PRIMARY KEY (caller, minute)
) STRICT;
