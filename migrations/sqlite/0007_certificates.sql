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
