-- What decoding found out about a picture, and how its owner wants it shown.

-- All NULL until somebody decodes it. colour: 0xRRGGBB. phash: 64 bits as a signed number.
ALTER TABLE blob ADD COLUMN orientation BIGINT CHECK (orientation BETWEEN 1 AND 8);
ALTER TABLE blob ADD COLUMN has_alpha BIGINT CHECK (has_alpha IN (0, 1));
ALTER TABLE blob ADD COLUMN profile TEXT COLLATE "C";
ALTER TABLE blob ADD COLUMN colour BIGINT;
ALTER TABLE blob ADD COLUMN thumbhash BYTEA;
ALTER TABLE blob ADD COLUMN phash BIGINT;

-- version: grows with each change of the two below, and stands in the image's addresses from 2 on. focus_x, focus_y: the
-- point to keep in view, in hundredths from the left and the top. privacy: what the public original loses; NULL means
-- what the settings say.
ALTER TABLE image ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE image ADD COLUMN focus_x BIGINT NOT NULL DEFAULT 50 CHECK (focus_x BETWEEN 0 AND 100);
ALTER TABLE image ADD COLUMN focus_y BIGINT NOT NULL DEFAULT 50 CHECK (focus_y BETWEEN 0 AND 100);
ALTER TABLE image ADD COLUMN privacy TEXT COLLATE "C" CHECK (privacy IN ('strip_location', 'strip_all', 'keep'));
