-- What a product has beside its fields: the sections it stands in, and the values of its properties, pictures among
-- them. All of it goes with the product; only blobs stay, for upkeep to find.

-- The main section of a product, as a foreign key: before this step there were no sections that it could name.
ALTER TABLE product DROP COLUMN section_id;
ALTER TABLE product ADD COLUMN section_id INTEGER REFERENCES section ON DELETE SET NULL;
CREATE INDEX product_of_section ON product (section_id, catalog_id, account_id) WHERE section_id IS NOT NULL;

-- Every section of a product, its main one included.
CREATE TABLE product_section (
    product_id INTEGER NOT NULL REFERENCES product ON DELETE CASCADE,
    section_id INTEGER NOT NULL REFERENCES section ON DELETE CASCADE,
    PRIMARY KEY (product_id, section_id)
) STRICT;
CREATE INDEX product_section_of_section ON product_section (section_id);

-- An image without a property is a product image. One with a property is the file of a value (below), which
-- productImage does not show; both point at blobs alike, so whatever looks after bytes has to look at images only.
ALTER TABLE image ADD COLUMN property_id INTEGER CHECK (property_id IS NULL OR role = 'more');

-- A value is a text or a file. property_id need not be declared: any PROPERTY_N is kept, and `multiple` says
-- whether it came as a list.
CREATE TABLE property_value (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    product_id INTEGER NOT NULL REFERENCES product ON DELETE CASCADE,
    property_id INTEGER NOT NULL,
    multiple INTEGER NOT NULL CHECK (multiple IN (0, 1)),
    text TEXT,
    image_id INTEGER UNIQUE REFERENCES image ON DELETE CASCADE,
    CHECK ((text IS NULL) <> (image_id IS NULL))
) STRICT;
CREATE INDEX property_value_of_product ON property_value (product_id, account_id, id);
CREATE INDEX property_value_by_text ON property_value (account_id, property_id, text, product_id);

-- Lists ask for one sort of product in one catalog, by id or by name, and count it: each product is in exactly one
-- index of each kind, and `kind` at their end lets them answer a count alone.
DROP INDEX product_in_catalog;
CREATE INDEX product_simple ON product (account_id, catalog_id, id, kind) WHERE kind IN (1);
CREATE INDEX product_parent ON product (account_id, catalog_id, id, kind) WHERE kind IN (3, 6);
CREATE INDEX product_variation ON product (account_id, catalog_id, id, kind) WHERE kind IN (4, 5);
CREATE INDEX product_service ON product (account_id, catalog_id, id, kind) WHERE kind IN (7);
DROP INDEX product_by_name;
CREATE INDEX product_simple_by_name ON product (account_id, catalog_id, name, id, kind) WHERE kind IN (1);
CREATE INDEX product_parent_by_name ON product (account_id, catalog_id, name, id, kind) WHERE kind IN (3, 6);
CREATE INDEX product_variation_by_name ON product (account_id, catalog_id, name, id, kind) WHERE kind IN (4, 5);
CREATE INDEX product_service_by_name ON product (account_id, catalog_id, name, id, kind) WHERE kind IN (7);
-- How other systems find their products again.
CREATE INDEX product_by_xml_id ON product (account_id, catalog_id, xml_id);
-- Its foreign key is looked up without the account.
CREATE INDEX product_of_catalog ON product (catalog_id);

-- What ANALYZE would find in a large store, written down once so that plans are the same in every store. Without it
-- SQLite walks all products by id rather than look up fifty codes, outer ids or names.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('product', 'product_simple', '100000 5000 5000 1 1'),
    ('product', 'product_parent', '100000 5000 5000 1 1'),
    ('product', 'product_variation', '100000 5000 5000 1 1'),
    ('product', 'product_service', '100000 5000 5000 1 1'),
    ('product', 'product_simple_by_name', '100000 5000 5000 2 1 1'),
    ('product', 'product_parent_by_name', '100000 5000 5000 2 1 1'),
    ('product', 'product_variation_by_name', '100000 5000 5000 2 1 1'),
    ('product', 'product_service_by_name', '100000 5000 5000 2 1 1'),
    ('product', 'product_by_xml_id', '100000 5000 5000 1'),
    ('product', 'product_code', '100000 5000 1'),
    ('product', 'product_of_section', '100000 500 500 500'),
    ('product', 'product_of_catalog', '100000 5000');
