-- Who is told of changes, what waits to be sent to them, and what waits to be fetched.

-- One address that events are sent to, of an application or of an outgoing webhook. An outgoing webhook has
-- a token and a signing secret of its own, encrypted under the key file outside the database.
-- paused_at: too much waits for it; nothing more is noted until it has caught up.
CREATE TABLE event_receiver (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    application_id INTEGER REFERENCES application ON DELETE CASCADE,
    url TEXT NOT NULL,
    token_sealed BLOB,
    secret_sealed BLOB,
    created_at INTEGER NOT NULL,
    paused_at INTEGER,
    CHECK ((application_id IS NULL) = (token_sealed IS NOT NULL)),
    CHECK ((token_sealed IS NULL) = (secret_sealed IS NULL))
) STRICT;
CREATE UNIQUE INDEX event_receiver_of_application ON event_receiver (application_id, url)
    WHERE application_id IS NOT NULL;
CREATE INDEX event_receiver_of_account ON event_receiver (account_id, id);

-- One event that somebody listens to. Without a receiver it is an offline handler: the application fetches.
-- user_id: for whom the event's token is made; 0 is whoever caused the event.
CREATE TABLE event_handler (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    application_id INTEGER REFERENCES application ON DELETE CASCADE,
    receiver_id INTEGER REFERENCES event_receiver ON DELETE CASCADE,
    event TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    connector TEXT NOT NULL,
    options TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_handler_online ON event_handler (receiver_id, event, user_id) WHERE receiver_id IS NOT NULL;
CREATE UNIQUE INDEX event_handler_offline ON event_handler (application_id, event, connector)
    WHERE receiver_id IS NULL;
CREATE INDEX event_handler_of_account ON event_handler (account_id, event);
CREATE INDEX event_handler_of_application ON event_handler (application_id, id);

-- One event for one handler. Those of one product go to one receiver one after the other: only the first has a
-- next_at, unless it was overtaken. failing_since: its first failure.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    receiver_id INTEGER NOT NULL REFERENCES event_receiver ON DELETE CASCADE,
    handler_id INTEGER NOT NULL REFERENCES event_handler ON DELETE CASCADE,
    product_id INTEGER NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    next_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    overtaken INTEGER NOT NULL DEFAULT 0 CHECK (overtaken IN (0, 1)),
    error TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (receiver_id, next_at, id) WHERE state = 'waiting' AND next_at IS NOT NULL;
CREATE INDEX outbox_in_order ON outbox (receiver_id, product_id, id) WHERE state = 'waiting';
CREATE INDEX outbox_undelivered ON outbox (id) WHERE state <> 'delivered';
CREATE INDEX outbox_settled ON outbox (created_at) WHERE state <> 'waiting';
CREATE INDEX outbox_of_receiver ON outbox (receiver_id);
CREATE INDEX outbox_of_handler ON outbox (handler_id);
CREATE INDEX outbox_of_account ON outbox (account_id);

-- What an application fetches: per object and event the latest only, unless that is reserved by a process already.
CREATE TABLE offline_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    application_id INTEGER NOT NULL REFERENCES application ON DELETE CASCADE,
    connector TEXT NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    message_id TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    process_id TEXT NOT NULL DEFAULT '',
    error INTEGER NOT NULL DEFAULT 0 CHECK (error IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX offline_event_latest ON offline_event (application_id, connector, message_id)
    WHERE process_id = '';
CREATE INDEX offline_event_by_id ON offline_event (application_id, account_id, connector, id);
CREATE INDEX offline_event_by_change ON offline_event (application_id, account_id, connector, process_id, changed_at, id);
CREATE INDEX offline_event_of_process ON offline_event (application_id, account_id, process_id, id)
    WHERE process_id <> '';
CREATE INDEX offline_event_by_age ON offline_event (changed_at);
CREATE INDEX offline_event_of_account ON offline_event (account_id);
