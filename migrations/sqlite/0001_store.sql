-- The first schema. Times are milliseconds since the Unix epoch, ids of Tribe and of this service
-- 16 bytes, hashes 32; enums are the words of the API, in links small numbers (src/store/sqlite/links.rs).
-- Columns named in the code as `Sealed` hold ciphertext; no other column may hold a secret or a
-- personal value. 9223372036854775807 is "never".

-- One row: what `ready` writes to, so that a full or read-only disk is seen before a hint is lost.
CREATE TABLE probe (
    number INTEGER PRIMARY KEY,
    beats  INTEGER NOT NULL,
    filler BLOB
) STRICT;
INSERT INTO probe (number, beats) VALUES (1, 0);

CREATE TABLE environments (
    id                 TEXT    NOT NULL PRIMARY KEY,
    organization       TEXT,
    fingerprint_key    BLOB    NOT NULL,
    settings           BLOB,
    polled_ms          INTEGER NOT NULL,
    chores_due_ms      INTEGER NOT NULL,
    swept_ms           INTEGER NOT NULL,
    throttled_until_ms INTEGER NOT NULL,
    -- The earliest not_before_ms of its lane's hints; kept up by every change of hints.
    hint_due_ms        INTEGER,
    due_ms             INTEGER NOT NULL GENERATED ALWAYS AS (
        min(chores_due_ms, coalesce(hint_due_ms, 9223372036854775807))
    ) VIRTUAL
) STRICT;
CREATE INDEX environments_by_due ON environments (due_ms, id);

CREATE TABLE webhooks (
    environment TEXT    NOT NULL REFERENCES environments (id),
    id          TEXT    NOT NULL,
    entity_type TEXT    NOT NULL,
    header_hash BLOB    NOT NULL,
    secret      BLOB,
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (environment, id)
) STRICT, WITHOUT ROWID;

-- The number stands for the user in every other table: a million links carry three bytes, not 16.
CREATE TABLE users (
    number             INTEGER PRIMARY KEY AUTOINCREMENT,
    id                 BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    environment        TEXT    NOT NULL REFERENCES environments (id),
    employee           BLOB    NOT NULL CHECK (length(employee) = 16),
    state              TEXT    NOT NULL,
    resume_state       TEXT    NOT NULL,
    reason             TEXT,
    tenant             TEXT,
    object             TEXT,
    mailbox            BLOB,
    allow_mailbox      BLOB,
    return_to          TEXT,
    start_on_consent   INTEGER NOT NULL,
    started            INTEGER NOT NULL,
    created_ms         INTEGER NOT NULL,
    chores_due_ms      INTEGER NOT NULL,
    delta_ms           INTEGER NOT NULL,
    proven_ms          INTEGER,
    progress_done      INTEGER,
    progress_all       INTEGER,
    throttled_until_ms INTEGER NOT NULL,
    released           INTEGER NOT NULL,
    brake_since_ms     INTEGER NOT NULL,
    braked_changes     INTEGER,
    braked_links       INTEGER,
    hint_due_ms        INTEGER,
    -- Hints count in the states of UserState::works.
    due_ms             INTEGER NOT NULL GENERATED ALWAYS AS (
        min(
            chores_due_ms,
            CASE WHEN state IN ('consented', 'first_sync', 'live')
                 THEN coalesce(hint_due_ms, 9223372036854775807)
                 ELSE 9223372036854775807 END
        )
    ) VIRTUAL
) STRICT;
CREATE UNIQUE INDEX users_by_employee ON users (environment, employee);
CREATE INDEX users_by_environment ON users (environment, id);
CREATE INDEX users_by_due ON users (due_ms, id);

-- lane: 'environment/' and its id, or 'mailbox/' and the user's id in 32 hexadecimal digits.
CREATE TABLE leases (
    lane     TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    fence    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_by_end ON leases (until_ms);

-- user: NULL for the environment's own lane.
CREATE TABLE hints (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    environment   TEXT    NOT NULL REFERENCES environments (id),
    user          INTEGER REFERENCES users (number),
    target        TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    received_ms   INTEGER NOT NULL,
    not_before_ms INTEGER NOT NULL,
    attempts      INTEGER NOT NULL
) STRICT;
CREATE INDEX hints_by_lane ON hints (environment, user, not_before_ms, received_ms);

CREATE TABLE tokens (
    user         INTEGER PRIMARY KEY REFERENCES users (number),
    refresh      BLOB    NOT NULL,
    access       BLOB    NOT NULL,
    expires_ms   INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    consented_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE environment_tokens (
    environment  TEXT    NOT NULL PRIMARY KEY REFERENCES environments (id),
    refresh      BLOB    NOT NULL,
    access       BLOB    NOT NULL,
    expires_ms   INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    consented_ms INTEGER NOT NULL
) STRICT;

-- purpose: invite or consent (of a user), employee or connect (of an environment).
CREATE TABLE sign_ins (
    state_hash   BLOB    NOT NULL PRIMARY KEY CHECK (length(state_hash) = 32),
    purpose      TEXT    NOT NULL,
    environment  TEXT    NOT NULL REFERENCES environments (id),
    user         INTEGER REFERENCES users (number),
    proof        BLOB    NOT NULL,
    browser_hash BLOB,
    expires_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_ins_by_end ON sign_ins (expires_ms);

-- A mailbox has a handful of folders and a link names one: the name of some 120 letters stands once.
CREATE TABLE folders (
    number INTEGER PRIMARY KEY,
    user   INTEGER NOT NULL REFERENCES users (number),
    id     TEXT    NOT NULL,
    UNIQUE (user, id)
) STRICT;

-- A rowid table: rows of some 350 bytes fill their pages in the order of writing, while a key of
-- random bytes would leave a third of each page empty. The indices hold the short keys alone.
CREATE TABLE links (
    number       INTEGER PRIMARY KEY,
    user         INTEGER NOT NULL REFERENCES users (number),
    person       BLOB    NOT NULL CHECK (length(person) = 16),
    state        INTEGER NOT NULL,
    origin       INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    slots        INTEGER NOT NULL,
    placed       INTEGER,
    contact_hash INTEGER,
    contact      TEXT,
    etag         TEXT,
    folder       INTEGER REFERENCES folders (number),
    relationship BLOB,
    base         BLOB    NOT NULL,
    former       BLOB    NOT NULL,
    settles_ms   INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX links_by_user ON links (user, person);
CREATE INDEX links_by_person ON links (person);
-- Eight bytes of a hash of user and contact, in place of the contact's 150 letters.
CREATE INDEX links_by_contact ON links (contact_hash) WHERE contact_hash IS NOT NULL;

CREATE TABLE cursors (
    user       INTEGER NOT NULL REFERENCES users (number),
    folder     TEXT    NOT NULL,
    is_default INTEGER NOT NULL,
    link       TEXT    NOT NULL,
    PRIMARY KEY (user, folder)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
    id                TEXT    NOT NULL PRIMARY KEY,
    user              INTEGER NOT NULL REFERENCES users (number),
    resource          TEXT    NOT NULL,
    client_state_hash BLOB    NOT NULL,
    expires_ms        INTEGER NOT NULL,
    created_ms        INTEGER NOT NULL,
    checked_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX subscriptions_by_user ON subscriptions (user, id);
CREATE INDEX subscriptions_by_end ON subscriptions (expires_ms, id);

-- fields: one byte for each, the field's fixed number.
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms     INTEGER NOT NULL,
    user      INTEGER NOT NULL REFERENCES users (number),
    person    BLOB,
    contact   TEXT,
    rule      TEXT    NOT NULL,
    direction TEXT    NOT NULL,
    cause     TEXT    NOT NULL,
    fields    BLOB    NOT NULL,
    sealed    BLOB,
    note      TEXT
) STRICT;
CREATE INDEX audit_by_user ON audit (user, id);
CREATE INDEX audit_by_person ON audit (person, id) WHERE person IS NOT NULL;
CREATE INDEX audit_by_age ON audit (at_ms) WHERE sealed IS NOT NULL;

CREATE TABLE held (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user       INTEGER NOT NULL REFERENCES users (number),
    person     BLOB    NOT NULL,
    rule       TEXT    NOT NULL,
    fields     BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,
    accepted   INTEGER,
    created_ms INTEGER NOT NULL,
    UNIQUE (user, person, rule)
) STRICT;

-- person: NULL where the mailbox as a whole is concerned.
CREATE TABLE parked (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user       INTEGER NOT NULL REFERENCES users (number),
    person     BLOB,
    field      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX parked_by_key ON parked (user, coalesce(person, x''), field);

CREATE TABLE previews (
    user    INTEGER PRIMARY KEY REFERENCES users (number),
    ready   INTEGER NOT NULL,
    creates INTEGER NOT NULL,
    adopts  INTEGER NOT NULL,
    skips   INTEGER NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE preview_items (
    user   INTEGER NOT NULL REFERENCES users (number),
    person BLOB    NOT NULL,
    action TEXT    NOT NULL,
    rule   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    PRIMARY KEY (user, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE brake_counts (
    user  INTEGER NOT NULL REFERENCES users (number),
    at_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (user, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX brake_counts_by_age ON brake_counts (at_ms);

CREATE TABLE alerts (
    key         TEXT    NOT NULL PRIMARY KEY,
    environment TEXT    NOT NULL,
    user        BLOB,
    message     TEXT    NOT NULL,
    since_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE answers (
    key_hash     BLOB    NOT NULL PRIMARY KEY CHECK (length(key_hash) = 32),
    request_hash BLOB    NOT NULL,
    status       INTEGER NOT NULL,
    sealed       BLOB    NOT NULL,
    at_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX answers_by_age ON answers (at_ms);
