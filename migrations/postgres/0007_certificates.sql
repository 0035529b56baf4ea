-- Certificates that the contents of notifications are sealed for. number rises by one: of two replicas
-- that make the next one, one is refused. private_key is sealed.
CREATE TABLE certificates (
    number      BIGINT NOT NULL PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL UNIQUE,
    certificate BYTEA  NOT NULL,
    private_key BYTEA  NOT NULL,
    created_ms  BIGINT NOT NULL,
    until_ms    BIGINT NOT NULL
);

-- The id of the certificate that a subscription's contents are sealed for; NULL: it carries none.
ALTER TABLE subscriptions ADD COLUMN certificate TEXT;

-- When the contact got the etag that the link remembers, by Graph's clock; NULL: not known.
ALTER TABLE links ADD COLUMN outlook_ms BIGINT;
