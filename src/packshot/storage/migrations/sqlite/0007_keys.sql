-- Pairs of keys: web_api_key names the account, app_key what calls for it. Neither is stored, only SHA-256 in hex.
-- An account's account_key is its member_id written as a UUID: a name, no secret.

CREATE TABLE key_pair (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    web_api_key_hash TEXT NOT NULL UNIQUE,
    app_key_hash TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('live', 'test')),
    privileged INTEGER NOT NULL CHECK (privileged IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX key_pair_of_account ON key_pair (account_id);
CREATE INDEX account_by_member_id ON account (member_id);
