-- What a pass is about to write for a link, sealed; empty once the pass is recorded.
ALTER TABLE links ADD COLUMN ahead BLOB;
CREATE INDEX links_ahead ON links (user, person) WHERE ahead IS NOT NULL;
