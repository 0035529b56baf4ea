-- What views that people open look along, so that each answers at once with 2,000 users, a million
-- links and 300,000 lines of the audit. Every index is paid for by every write, so each says why.

-- "Everything by R6": without it, a rule that is rarely used is looked for through the whole audit. A
-- line is written once and never changes its rule; numbers rise, so each write goes to the end of its
-- rule's part.
CREATE INDEX audit_by_rule ON audit (rule, id);

-- "Last Tuesday between nine and ten": tells between which numbers a time stands. Time rises, so each
-- write goes to the end. (audit_by_age does not serve: it leaves out lines whose values are gone, and
-- must do so, or erasing values would meet the same lines every time.)
CREATE INDEX audit_by_time ON audit (at_ms, id);

-- "What of this user was by R6": with the rule in it, whoever has very many lines is searched along the
-- index alone.
DROP INDEX audit_by_user;
CREATE INDEX audit_by_user ON audit ("user", id, rule);

-- The counts of a user with 50,000 links, without reading the links. State 1 is "linked": the links
-- that work are written all the time and are not in it, so writing them costs nothing; linked ones are
-- counted as all (links_by_user) but these.
CREATE INDEX links_unlinked ON links ("user", state) WHERE state <> 1;

-- Consents that nobody used for long, for the reminder: else every sealed token is read past. A refresh,
-- about one in an hour for each user, moves one short key.
CREATE INDEX tokens_by_use ON tokens (expires_ms);
