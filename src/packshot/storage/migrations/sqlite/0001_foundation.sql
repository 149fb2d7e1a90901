-- Accounts, who may call, catalogs with products, images and the blobs they point to.
-- Every *_at column holds Unix microseconds. Ids are never used twice (AUTOINCREMENT).

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE member (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'editor', 'viewer', 'none')),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX member_of_account ON member (account_id);

-- The code itself is shown once and never stored: code_hash is its SHA-256 in hex.
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    member_id INTEGER NOT NULL REFERENCES member ON DELETE CASCADE,
    code_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX webhook_of_account ON webhook (account_id);
CREATE INDEX webhook_of_member ON webhook (member_id);

-- sealed: the key's bytes, encrypted under the key file that lies outside the database.
CREATE TABLE signing_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE catalog (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,
    parent_catalog_id INTEGER REFERENCES catalog ON DELETE CASCADE,
    link_property_id INTEGER,
    vat_id INTEGER
) STRICT;
CREATE INDEX catalog_of_account ON catalog (account_id);
CREATE INDEX catalog_of_parent ON catalog (parent_catalog_id);

CREATE TABLE property (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    catalog_id INTEGER NOT NULL REFERENCES catalog ON DELETE CASCADE,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    property_type TEXT NOT NULL,
    multiple INTEGER NOT NULL CHECK (multiple IN (0, 1)),
    UNIQUE (catalog_id, code)
) STRICT;
CREATE INDEX property_of_account ON property (account_id);

CREATE TABLE product (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    catalog_id INTEGER NOT NULL REFERENCES catalog ON DELETE CASCADE,
    kind INTEGER NOT NULL CHECK (kind IN (1, 3, 4, 5, 6, 7)),
    parent_id INTEGER REFERENCES product ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    available INTEGER NOT NULL CHECK (available IN (0, 1)),
    bundle INTEGER NOT NULL CHECK (bundle IN (0, 1)),
    code TEXT,
    xml_id TEXT,
    sort INTEGER NOT NULL,
    section_id INTEGER,
    created_by INTEGER NOT NULL,
    modified_by INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    active_from INTEGER,
    active_to INTEGER,
    preview_text TEXT,
    preview_text_type TEXT NOT NULL,
    detail_text TEXT,
    detail_text_type TEXT NOT NULL,
    measure INTEGER,
    weight REAL,
    width REAL,
    height REAL,
    length REAL,
    vat_id INTEGER,
    vat_included INTEGER NOT NULL,
    can_buy_zero INTEGER NOT NULL,
    quantity REAL,
    quantity_reserved REAL,
    quantity_trace INTEGER NOT NULL,
    subscribe INTEGER NOT NULL,
    purchasing_price REAL,
    purchasing_currency TEXT,
    barcode_multi INTEGER NOT NULL,
    recur_scheme_length INTEGER,
    recur_scheme_type TEXT,
    trial_price_id INTEGER,
    without_order INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX product_code ON product (catalog_id, code) WHERE code IS NOT NULL;
CREATE INDEX product_in_catalog ON product (account_id, catalog_id, id);
CREATE INDEX product_by_name ON product (account_id, catalog_id, name, id);
CREATE INDEX product_of_parent ON product (parent_id) WHERE parent_id IS NOT NULL;

-- A blob is the bytes of one original, written once under its key (digest and generation).
CREATE TABLE blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account,
    digest TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'doomed', 'corrupt')),
    created_at INTEGER NOT NULL,
    doomed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX blob_live ON blob (account_id, digest) WHERE state = 'live';
CREATE INDEX blob_corrupt ON blob (account_id, digest) WHERE state = 'corrupt';
CREATE INDEX blob_doomed ON blob (doomed_at) WHERE state = 'doomed';

-- address: the public key of an image, 3 hexadecimal digits and 32 characters of a-z0-9.
CREATE TABLE image (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    product_id INTEGER NOT NULL REFERENCES product ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('detail', 'preview', 'more')),
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    address TEXT NOT NULL UNIQUE,
    blob_id INTEGER NOT NULL REFERENCES blob ON DELETE RESTRICT,
    created_at INTEGER NOT NULL
) STRICT;
-- Both columns of the usual condition come first: with the id alone behind product_id, SQLite preferred to walk
-- a whole account in id order.
CREATE INDEX image_of_product ON image (product_id, account_id, id);
CREATE UNIQUE INDEX image_single_role ON image (product_id, role) WHERE role IN ('detail', 'preview');
CREATE INDEX image_of_blob ON image (blob_id);
CREATE INDEX image_of_account ON image (account_id);
