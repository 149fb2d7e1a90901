-- What was deleted, until it is given up: whole rows, with who took them away, when, and by which call.

-- One call that deleted something. who: the user behind it, the pair of keys, the command line or the server itself.
CREATE TABLE deletion (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    method TEXT NOT NULL,
    who TEXT NOT NULL,
    request_id TEXT NOT NULL,
    deleted_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deletion_of_account ON deletion (account_id, id);
CREATE INDEX deletion_by_date ON deletion (deleted_at);

-- One thing of it with all that went along. rows: a JSON object, by table a list of rows as objects by column, those
-- that others point at first. name: how people call it (a guid, a SKU, an id). blob_id keeps the bytes of an image alive.
CREATE TABLE trash (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    deletion_id INTEGER NOT NULL REFERENCES deletion ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('product', 'image', 'place', 'inventory_product', 'links', 'selection')),
    item_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    blob_id INTEGER REFERENCES blob ON DELETE RESTRICT,
    rows TEXT NOT NULL
) STRICT;
CREATE INDEX trash_of_deletion ON trash (deletion_id, id);
CREATE INDEX trash_of_account ON trash (account_id);
CREATE INDEX trash_by_name ON trash (account_id, name);
CREATE INDEX trash_of_item ON trash (account_id, kind, item_id);
CREATE INDEX trash_of_blob ON trash (blob_id) WHERE blob_id IS NOT NULL;
