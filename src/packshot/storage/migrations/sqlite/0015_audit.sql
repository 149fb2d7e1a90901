-- What became of every image: who changed it, how, by which call. It outlives the image, and the account, which is why
-- it points at neither. A row may say that one erased now had a part in it, but no longer what it was called.

-- at: when, in microseconds. who: the user behind the call, the pair of keys, the command line or the server itself.
-- product_id: the product whose image it is by then. details: a JSON object, or nothing.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('added', 'changed', 'replaced', 'attached', 'detached', 'deleted',
        'restored', 'given up', 'erased', 'corrupt', 'repaired')),
    method TEXT NOT NULL,
    who TEXT NOT NULL,
    request_id TEXT NOT NULL,
    image_id INTEGER NOT NULL,
    guid TEXT NOT NULL,
    name TEXT NOT NULL,
    product_id INTEGER,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_account ON audit (account_id, id);
CREATE INDEX audit_of_image ON audit (account_id, image_id, id);
CREATE INDEX audit_of_guid ON audit (account_id, guid, id) WHERE guid <> '';
CREATE INDEX audit_of_request ON audit (account_id, request_id, id);

-- Nothing in it is ever changed, but what describes an image is blanked when that is erased.
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
WHEN NEW.id IS NOT OLD.id OR NEW.account_id IS NOT OLD.account_id OR NEW.at IS NOT OLD.at
    OR NEW.action IS NOT OLD.action OR NEW.method IS NOT OLD.method OR NEW.who IS NOT OLD.who
    OR NEW.request_id IS NOT OLD.request_id OR NEW.image_id IS NOT OLD.image_id
    OR NEW.product_id IS NOT OLD.product_id OR NEW.guid NOT IN (OLD.guid, '') OR NEW.name NOT IN (OLD.name, '')
    OR NEW.details NOT IN (OLD.details, '')
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

-- Nor is any put in the place of another one, which REPLACE would do past both other triggers.
CREATE TRIGGER audit_only_added BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

-- It can only be cut off at its oldest end.
CREATE TRIGGER audit_cut_at_its_end BEFORE DELETE ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id < OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'only the oldest rows of the audit log can be deleted');
END;
