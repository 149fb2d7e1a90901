-- What decoding found out about a picture, and how its owner wants it shown.

-- All NULL until somebody decodes it. colour: 0xRRGGBB. phash: 64 bits as a signed number.
ALTER TABLE blob ADD COLUMN orientation INTEGER CHECK (orientation BETWEEN 1 AND 8);
ALTER TABLE blob ADD COLUMN has_alpha INTEGER CHECK (has_alpha IN (0, 1));
ALTER TABLE blob ADD COLUMN profile TEXT;
ALTER TABLE blob ADD COLUMN colour INTEGER;
ALTER TABLE blob ADD COLUMN thumbhash BLOB;
ALTER TABLE blob ADD COLUMN phash INTEGER;

-- version: grows with each change of the two below, and stands in the image's addresses from 2 on. focus_x, focus_y: the
-- point to keep in view, in hundredths from the left and the top. privacy: what the public original loses; NULL means
-- what the settings say.
ALTER TABLE image ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE image ADD COLUMN focus_x INTEGER NOT NULL DEFAULT 50 CHECK (focus_x BETWEEN 0 AND 100);
ALTER TABLE image ADD COLUMN focus_y INTEGER NOT NULL DEFAULT 50 CHECK (focus_y BETWEEN 0 AND 100);
ALTER TABLE image ADD COLUMN privacy TEXT CHECK (privacy IN ('strip_location', 'strip_all', 'keep'));
