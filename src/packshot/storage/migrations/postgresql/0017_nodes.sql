-- What the servers that share a store know of each other. Of one server with a file of its own little of it is needed.

-- Each that serves, and when it last said so by the database's clock. `version` is Packshot's.
CREATE TABLE node (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    version TEXT COLLATE "C" NOT NULL
);

-- The settings that all of them have to have alike, as the first of them had them.
CREATE TABLE agreed (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- What one of them does for all: nobody else begins it before `until`, by the database's clock. `times`: how often it
-- was begun.
CREATE TABLE job (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    node TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL,
    times BIGINT NOT NULL
);

-- Who is sending an event, and until when by the database's clock nobody else does.
ALTER TABLE outbox ADD COLUMN claimed_by TEXT COLLATE "C";
ALTER TABLE outbox ADD COLUMN claimed_until BIGINT;
CREATE INDEX outbox_claimed ON outbox (receiver_id) WHERE claimed_until IS NOT NULL;

-- What counts against the limits of Bitrix24's cloud: a crash may forget it, so no log is written of it.
-- empty_at: when the bucket of calls will have leaked all that it holds.
CREATE UNLOGGED TABLE calls_counted (
    account_id BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    empty_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, source)
) WITH (fillfactor = 50);

-- How long calls took that began in a minute, by who called what; began_at is the first of them.
CREATE UNLOGGED TABLE time_operated (
    caller TEXT COLLATE "C" NOT NULL,
    minute BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    took_us BIGINT NOT NULL,
    PRIMARY KEY (caller, minute)
) WITH (fillfactor = 50);
