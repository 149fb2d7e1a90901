-- The virtual inventory: what is sold of an image. All of it goes with the image.

-- guid: another name of the product in FinerWorks' protocol. searched: name, SKU and descriptions, case-folded.
CREATE TABLE inventory_product (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    image_id INTEGER NOT NULL REFERENCES image ON DELETE CASCADE,
    guid TEXT NOT NULL,
    sku TEXT NOT NULL,
    product_code TEXT NOT NULL,
    name TEXT NOT NULL,
    description_short TEXT,
    description_long TEXT,
    searched TEXT NOT NULL,
    quantity_in_stock INTEGER NOT NULL,
    track_inventory INTEGER NOT NULL CHECK (track_inventory IN (0, 1)),
    per_item_price REAL,
    total_price REAL,
    asking_price REAL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    UNIQUE (account_id, sku)
) STRICT;
CREATE INDEX inventory_product_of_image ON inventory_product (image_id);
CREATE INDEX inventory_product_of_account ON inventory_product (account_id, id);

-- What a product is called in a shop: `field` is a field of third_party_integrations, `value` is kept as text.
CREATE TABLE inventory_link (
    product_id INTEGER NOT NULL REFERENCES inventory_product ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (product_id, field)
) STRICT;
CREATE INDEX inventory_link_by_value ON inventory_link (account_id, value);
