-- The newest round of each environment's canary. origin: the id of the user in whose mailbox it began;
-- NULL: in Tribe. written: its value stands where it begins, or the mailbox has its hint.
CREATE TABLE canaries (
    environment TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES environments (id),
    number      BIGINT  NOT NULL,
    origin      BYTEA,
    began_ms    BIGINT  NOT NULL,
    written     BOOLEAN NOT NULL,
    due_ms      BIGINT  NOT NULL
);

-- What the canary proved of each mailbox on the way to one side. round: the newest that was asked of it
-- or arrived. waits_ms: since when it waits; NULL: it does not.
CREATE TABLE canary_proofs (
    "user"    BIGINT NOT NULL REFERENCES users (number),
    side      TEXT COLLATE "C" NOT NULL,
    round     BIGINT NOT NULL,
    waits_ms  BIGINT,
    proven_ms BIGINT,
    took_ms   BIGINT,
    PRIMARY KEY ("user", side)
);
