-- Certificates that the contents of notifications are sealed for. number rises by one: of two replicas
-- that make the next one, one is refused. private_key is sealed.
CREATE TABLE certificates (
    number      INTEGER NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    certificate BLOB    NOT NULL,
    private_key BLOB    NOT NULL,
    created_ms  INTEGER NOT NULL,
    until_ms    INTEGER NOT NULL
) STRICT;

-- The id of the certificate that a subscription's contents are sealed for; NULL: it carries none.
ALTER TABLE subscriptions ADD COLUMN certificate TEXT;

-- When the contact got the etag that the link remembers, by Graph's clock; NULL: not known.
ALTER TABLE links ADD COLUMN outlook_ms INTEGER;
