-- The newest round of each environment's canary. origin: the id of the user in whose mailbox it began;
-- NULL: in Tribe. written: its value stands where it begins, or the mailbox has its hint.
CREATE TABLE canaries (
    environment TEXT    NOT NULL PRIMARY KEY REFERENCES environments (id),
    number      INTEGER NOT NULL,
    origin      BLOB,
    began_ms    INTEGER NOT NULL,
    written     INTEGER NOT NULL,
    due_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the canary proved of each mailbox on the way to one side. round: the newest that was asked of it
-- or arrived. waits_ms: since when it waits; NULL: it does not.
CREATE TABLE canary_proofs (
    user      INTEGER NOT NULL REFERENCES users (number),
    side      TEXT    NOT NULL,
    round     INTEGER NOT NULL,
    waits_ms  INTEGER,
    proven_ms INTEGER,
    took_ms   INTEGER,
    PRIMARY KEY (user, side)
) STRICT, WITHOUT ROWID;
