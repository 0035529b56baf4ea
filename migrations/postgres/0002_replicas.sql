-- The processes that share the work: one row each, live while until_ms is after now. schema: the
-- newest migration its program knows.
CREATE TABLE replicas (
    holder   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    schema   BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);

-- The oldest program, by the newest migration it knows, that may still work with this schema. A
-- migration that takes something away raises it to its own number.
ALTER TABLE probe ADD COLUMN floor BIGINT NOT NULL DEFAULT 1;
