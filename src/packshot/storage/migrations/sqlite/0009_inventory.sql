-- The virtual inventory: what is sold of an image. All of it goes with the image.

-- guid: another name of the product in FinerWorks' protocol. searched: name, SKU and description, case-folded.
CREATE TABLE inventory_product (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    image_id INTEGER NOT NULL REFERENCES image ON DELETE CASCADE,
    guid TEXT NOT NULL,
    sku TEXT NOT NULL,
    product_code TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    searched TEXT NOT NULL,
    quantity_in_stock INTEGER NOT NULL DEFAULT 0,
    track_inventory INTEGER NOT NULL DEFAULT 0 CHECK (track_inventory IN (0, 1)),
    asking_price REAL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    UNIQUE (account_id, sku)
) STRICT;
-- Both columns of the usual condition, or SQLite would rather walk the account.
CREATE INDEX inventory_product_of_image ON inventory_product (image_id, account_id);
CREATE INDEX inventory_product_by_code ON inventory_product (account_id, product_code);
-- Each order of the list, which is one walk from its beginning.
CREATE INDEX inventory_product_in_order ON inventory_product (account_id, id);
CREATE INDEX inventory_product_by_name ON inventory_product (account_id, name, id);
CREATE INDEX inventory_product_by_date ON inventory_product (account_id, created_at, id);

-- What a product is called in a shop: `field` is a field of third_party_integrations, `value` is kept as text.
CREATE TABLE inventory_link (
    product_id INTEGER NOT NULL REFERENCES inventory_product ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (product_id, field)
) STRICT, WITHOUT ROWID;
-- For one value in whichever field, too: their names are few and known.
CREATE INDEX inventory_link_by_field ON inventory_link (account_id, field, value);
