-- The processes that share the work: one row each, live while until_ms is after now. schema: the
-- newest migration its program knows. With SQLite there is one at most.
CREATE TABLE replicas (
    holder   TEXT    NOT NULL PRIMARY KEY,
    schema   INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The oldest program, by the newest migration it knows, that may still work with this schema.
ALTER TABLE probe ADD COLUMN floor INTEGER NOT NULL DEFAULT 1;
