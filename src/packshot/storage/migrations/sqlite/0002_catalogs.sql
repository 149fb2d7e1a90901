-- Sections of catalogs, and what else a property says of itself.

CREATE TABLE section (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    catalog_id INTEGER NOT NULL REFERENCES catalog ON DELETE CASCADE,
    parent_id INTEGER REFERENCES section ON DELETE CASCADE,
    name TEXT NOT NULL,
    code TEXT,
    xml_id TEXT,
    sort INTEGER NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    description TEXT,
    description_type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX section_code ON section (catalog_id, code) WHERE code IS NOT NULL;
CREATE INDEX section_in_catalog ON section (catalog_id, account_id, id);
CREATE INDEX section_of_account ON section (account_id);
CREATE INDEX section_of_parent ON section (parent_id) WHERE parent_id IS NOT NULL;

-- A catalog has its variations in one other catalog.
DROP INDEX catalog_of_parent;
CREATE UNIQUE INDEX catalog_of_variations ON catalog (parent_catalog_id) WHERE parent_catalog_id IS NOT NULL;

-- What a property says beside its code, name and type. Most of it only tells others how to draw a form; what matters
-- here is user_type (SKU: this property names a variation's parent). catalog.link_property_id and link_catalog_id
-- carry no foreign key: they point in a circle, and go with their catalogs.
ALTER TABLE property ADD COLUMN user_type TEXT;
ALTER TABLE property ADD COLUMN active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1));
ALTER TABLE property ADD COLUMN sort INTEGER NOT NULL DEFAULT 500;
ALTER TABLE property ADD COLUMN required INTEGER NOT NULL DEFAULT 0 CHECK (required IN (0, 1));
ALTER TABLE property ADD COLUMN default_value TEXT;
ALTER TABLE property ADD COLUMN hint TEXT;
ALTER TABLE property ADD COLUMN xml_id TEXT;
ALTER TABLE property ADD COLUMN row_count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE property ADD COLUMN col_count INTEGER NOT NULL DEFAULT 30;
ALTER TABLE property ADD COLUMN list_type TEXT NOT NULL DEFAULT 'L' CHECK (list_type IN ('L', 'C'));
ALTER TABLE property ADD COLUMN file_type TEXT;
ALTER TABLE property ADD COLUMN multiple_cnt INTEGER;
ALTER TABLE property ADD COLUMN link_catalog_id INTEGER;
ALTER TABLE property ADD COLUMN with_description INTEGER CHECK (with_description IN (0, 1));
ALTER TABLE property ADD COLUMN searchable INTEGER NOT NULL DEFAULT 0 CHECK (searchable IN (0, 1));
ALTER TABLE property ADD COLUMN filtrable INTEGER NOT NULL DEFAULT 0 CHECK (filtrable IN (0, 1));
ALTER TABLE property ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
UPDATE property SET changed_at = (SELECT created_at FROM account WHERE account.id = property.account_id);
-- By id, without sorting.
CREATE INDEX property_in_catalog ON property (catalog_id, account_id, id);
