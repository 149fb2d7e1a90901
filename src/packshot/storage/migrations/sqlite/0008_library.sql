-- Libraries: an image may stand without a product, and may lie at addresses of somebody else instead of in a blob.
-- The table is made anew, since SQLite cannot take a NOT NULL back.

-- guid: its name in FinerWorks' protocol. library: `inventory`, `temporary` (of one session, with an end), or none for
-- the file of a property's value. name, size and pixels are told by whoever added the addresses, or are those of the
-- blob. searched: title, description and name, case-folded, a line each.
CREATE TABLE image_anew (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    guid TEXT NOT NULL,
    library TEXT CHECK (library IN ('inventory', 'temporary')),
    session_id TEXT,
    site_id INTEGER,
    product_id INTEGER REFERENCES product ON DELETE CASCADE,
    role TEXT CHECK (role IN ('detail', 'preview', 'more')),
    property_id INTEGER CHECK (property_id IS NULL OR role = 'more'),
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    searched TEXT NOT NULL,
    address TEXT,
    blob_id INTEGER REFERENCES blob ON DELETE RESTRICT,
    size_bytes INTEGER NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    thumbnail_name TEXT,
    preview_name TEXT,
    hires_name TEXT,
    thumbnail_uri TEXT,
    preview_uri TEXT,
    hires_uri TEXT,
    active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    expires_at INTEGER,
    CHECK ((product_id IS NULL) = (role IS NULL)),
    CHECK ((library IS NULL) = (property_id IS NOT NULL)),
    CHECK ((blob_id IS NULL) = (address IS NULL)),
    CHECK ((blob_id IS NULL) = (hires_uri IS NOT NULL)),
    CHECK ((library IS 'temporary') = (session_id IS NOT NULL AND expires_at IS NOT NULL))
) STRICT;
-- Ids are never used twice, also not those of images that are gone.
INSERT INTO sqlite_sequence (name, seq) SELECT 'image_anew', seq FROM sqlite_sequence WHERE name = 'image';
INSERT INTO image_anew
    (id, account_id, guid, library, product_id, role, property_id, name, name_folded, title, searched, address, blob_id,
    size_bytes, width_px, height_px, created_at)
SELECT i.id, i.account_id,
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
        || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    CASE WHEN i.property_id IS NULL THEN 'inventory' END,
    i.product_id, i.role, i.property_id, i.name, i.name_folded, i.name, i.name_folded || char(10) || char(10)
        || i.name_folded, i.address, i.blob_id, b.size_bytes, b.width_px, b.height_px, i.created_at
FROM image i JOIN blob b ON b.id = i.blob_id;
DROP TABLE image;
ALTER TABLE image_anew RENAME TO image;

-- Both columns of the usual condition come first: with the id alone behind product_id, SQLite preferred to walk
-- a whole account in id order.
CREATE INDEX image_of_product ON image (product_id, account_id, id) WHERE product_id IS NOT NULL;
CREATE UNIQUE INDEX image_single_role ON image (product_id, role) WHERE role IN ('detail', 'preview');
CREATE INDEX image_of_blob ON image (blob_id) WHERE blob_id IS NOT NULL;
CREATE UNIQUE INDEX image_by_guid ON image (account_id, guid);
CREATE UNIQUE INDEX image_by_address ON image (address) WHERE address IS NOT NULL;
-- Each order of a library, which is one walk from its beginning. The first one has all that filters look at, so that a
-- search goes through a fifth of what the table holds, and the last one counts; `library` at their ends lets SQLite
-- see that they do so alone.
CREATE INDEX image_in_inventory ON image (account_id, id, product_id, active, created_at, searched, library)
    WHERE library = 'inventory';
CREATE INDEX image_in_inventory_by_title ON image (account_id, title, id) WHERE library = 'inventory';
CREATE INDEX image_in_inventory_by_name ON image (account_id, name, id) WHERE library = 'inventory';
CREATE INDEX image_in_inventory_by_size ON image (account_id, size_bytes, id) WHERE library = 'inventory';
CREATE INDEX image_in_inventory_by_date ON image (account_id, created_at, id, library) WHERE library = 'inventory';
CREATE INDEX image_in_session ON image (account_id, session_id, id) WHERE library = 'temporary';
CREATE INDEX image_expiring ON image (expires_at) WHERE library = 'temporary';

-- As in step 3: what ANALYZE would find in a large store, bytes a row included. Without it SQLite walks a library to
-- find fifty guids in it, and goes through the table for what an index holds.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('image', NULL, '100000 sz=700'),
    ('image', 'image_by_guid', '100000 5000 1 sz=45'),
    ('image', 'image_in_inventory', '100000 5000 1 1 1 1 1 1 sz=180'),
    ('image', 'image_in_inventory_by_title', '100000 5000 2 1 sz=35'),
    ('image', 'image_in_inventory_by_name', '100000 5000 2 1 sz=35'),
    ('image', 'image_in_inventory_by_size', '100000 5000 2 1 sz=15'),
    ('image', 'image_in_inventory_by_date', '100000 5000 2 1 1 sz=30');

-- A selection is a set of images that a client remembers under a guid of its own making.
CREATE TABLE selection (
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    guid TEXT NOT NULL,
    position INTEGER NOT NULL,
    image_id INTEGER NOT NULL REFERENCES image ON DELETE CASCADE,
    PRIMARY KEY (account_id, guid, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX selection_of_image ON selection (image_id);
