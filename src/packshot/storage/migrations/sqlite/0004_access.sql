-- People with logins, applications with their OAuth tokens, and what an account may do and hold.
-- No secret is stored in the clear: every *_hash of random text is SHA-256 in hex, password_hash is argon2id.

-- member_id: the account's name of 32 hex digits in OAuth answers and events.
-- live_bytes: what its live blobs hold together; kept up to date only while there is a quota.
ALTER TABLE account ADD COLUMN state TEXT NOT NULL DEFAULT 'normal'
    CHECK (state IN ('normal', 'blocked', 'no_plan', 'closed'));
ALTER TABLE account ADD COLUMN member_id TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN quota_bytes INTEGER;
ALTER TABLE account ADD COLUMN live_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE account SET member_id = lower(hex(randomblob(16)));

-- Triggers, so that no statement that makes or retires a blob can forget to count it.
CREATE TRIGGER blob_counted AFTER INSERT ON blob
WHEN NEW.state = 'live' AND (SELECT quota_bytes FROM account WHERE id = NEW.account_id) IS NOT NULL
BEGIN
    UPDATE account SET live_bytes = live_bytes + NEW.size_bytes WHERE id = NEW.account_id;
END;
CREATE TRIGGER blob_uncounted AFTER UPDATE OF state ON blob
WHEN OLD.state = 'live' AND NEW.state <> 'live'
    AND (SELECT quota_bytes FROM account WHERE id = NEW.account_id) IS NOT NULL
BEGIN
    UPDATE account SET live_bytes = live_bytes - NEW.size_bytes WHERE id = NEW.account_id;
END;

-- login: case-folded; a user without one calls through webhooks only.
ALTER TABLE member ADD COLUMN login TEXT;
ALTER TABLE member ADD COLUMN password_hash TEXT;
ALTER TABLE member ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE member ADD COLUMN last_name TEXT NOT NULL DEFAULT '';
ALTER TABLE member ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE member ADD COLUMN disabled_at INTEGER;
ALTER TABLE member ADD COLUMN last_login_at INTEGER;
UPDATE member SET login = 'admin' WHERE id = 1 AND role = 'administrator';
CREATE UNIQUE INDEX member_login ON member (login);

ALTER TABLE webhook ADD COLUMN title TEXT NOT NULL DEFAULT '';

-- token_sealed: the application_token, which we send, encrypted under the key file outside the database.
-- handler: the application's own address, where it is another than redirect_uri.
CREATE TABLE application (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    client_id TEXT NOT NULL UNIQUE,
    secret_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    scopes TEXT NOT NULL,
    handler TEXT,
    token_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX application_of_account ON application (account_id);

-- Who may use the application; everybody while there is no row.
CREATE TABLE application_member (
    application_id INTEGER NOT NULL REFERENCES application ON DELETE CASCADE,
    member_id INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,
    PRIMARY KEY (application_id, member_id)
) STRICT;
CREATE INDEX application_member_of_member ON application_member (member_id);

-- A consent: one family of tokens, which ends as a whole. generation counts the refreshes so far; used_id is the
-- refresh token that the last one began with, at used_at.
CREATE TABLE consent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id INTEGER NOT NULL REFERENCES application ON DELETE CASCADE,
    member_id INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,
    generation INTEGER NOT NULL DEFAULT 0,
    used_id INTEGER,
    used_at INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX consent_of_application ON consent (application_id);
CREATE INDEX consent_of_member ON consent (member_id);
CREATE INDEX consent_by_end ON consent (expires_at);

CREATE TABLE refresh_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    consent_id INTEGER NOT NULL REFERENCES consent ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX refresh_token_of_consent ON refresh_token (consent_id);
CREATE INDEX refresh_token_by_end ON refresh_token (expires_at);

-- consent_id is NULL in tokens that are sent along with events: nothing renews them.
CREATE TABLE access_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id INTEGER NOT NULL REFERENCES application ON DELETE CASCADE,
    member_id INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,
    consent_id INTEGER REFERENCES consent ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_token_of_application ON access_token (application_id);
CREATE INDEX access_token_of_member ON access_token (member_id);
CREATE INDEX access_token_of_consent ON access_token (consent_id, expires_at);
CREATE INDEX access_token_by_end ON access_token (expires_at) WHERE consent_id IS NULL;

-- A code that was used stays for a while, so that its second use can end what came of the first.
CREATE TABLE authorization_code (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id INTEGER NOT NULL REFERENCES application ON DELETE CASCADE,
    member_id INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,
    code_hash TEXT NOT NULL UNIQUE,
    challenge TEXT NOT NULL,
    challenge_method TEXT NOT NULL CHECK (challenge_method IN ('', 'plain', 'S256')),
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    consent_id INTEGER REFERENCES consent ON DELETE SET NULL
) STRICT;
CREATE INDEX authorization_code_of_application ON authorization_code (application_id);
CREATE INDEX authorization_code_of_member ON authorization_code (member_id);
CREATE INDEX authorization_code_of_consent ON authorization_code (consent_id);
CREATE INDEX authorization_code_by_end ON authorization_code (expires_at);

-- The login of a person in a browser.
CREATE TABLE login_session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    member_id INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,
    session_hash TEXT NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX login_session_of_member ON login_session (member_id);
CREATE INDEX login_session_by_end ON login_session (expires_at);
