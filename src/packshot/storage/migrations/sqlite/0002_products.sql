-- Values of properties, pictures among them, and the sections a product stands in.

-- A file value is an image that productImage does not show: it belongs to a property other than the gallery.
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

-- Every section of a product, its main one included. The table of sections comes with the next step.
CREATE TABLE product_section (
    product_id INTEGER NOT NULL REFERENCES product ON DELETE CASCADE,
    section_id INTEGER NOT NULL REFERENCES section ON DELETE CASCADE,
    PRIMARY KEY (product_id, section_id)
) STRICT;
CREATE INDEX product_section_of_section ON product_section (section_id);

-- Lists ask for one sort of product in one catalog: each product is in exactly one of these.
DROP INDEX product_in_catalog;
CREATE INDEX product_simple ON product (account_id, catalog_id, id, kind) WHERE kind IN (1);
CREATE INDEX product_parent ON product (account_id, catalog_id, id, kind) WHERE kind IN (3, 6);
CREATE INDEX product_variation ON product (account_id, catalog_id, id, kind) WHERE kind IN (4, 5);
CREATE INDEX product_service ON product (account_id, catalog_id, id, kind) WHERE kind IN (7);
-- Its foreign key is looked up without the account.
CREATE INDEX product_of_catalog ON product (catalog_id);
