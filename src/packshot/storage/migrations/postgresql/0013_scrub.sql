-- How far the scrub has come, which reads every blob again that was there when it began: those up to after_blob_id are
-- done, last_blob_id is the last one. The one row there is; ended_at is NULL while a scrub is under way.
CREATE TABLE scrub (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    begun_at BIGINT NOT NULL,
    after_blob_id BIGINT NOT NULL,
    last_blob_id BIGINT NOT NULL,
    ended_at BIGINT
);
INSERT INTO scrub (id, begun_at, after_blob_id, last_blob_id, ended_at) VALUES (1, 0, 0, 0, 0);

-- Those that wait for repair are looked for with every round of upkeep.
CREATE INDEX blob_to_repair ON blob (state, id) WHERE state = 'corrupt';

-- A corrupt blob whose bytes turn out well is live again, and counts again.
CREATE TRIGGER blob_counted_again AFTER UPDATE OF state ON blob
FOR EACH ROW WHEN (OLD.state <> 'live' AND NEW.state = 'live') EXECUTE FUNCTION count_blob();
