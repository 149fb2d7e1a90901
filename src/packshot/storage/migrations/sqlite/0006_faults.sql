-- Fault rules added by command, as text: the one thing in here that is the whole server's and no account's.

CREATE TABLE fault_rule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
