-- When a lane's earliest hint falls due, written down where that has changed; every replica is told when
-- it is sooner than it was. In one call, for each of a commit's lanes.
--
-- The lane's row is locked first: of two transactions that change its hints at once the second then counts
-- with a snapshot that has the first one's, since each statement of a volatile function takes a new one.
-- The lock leaves foreign keys alone.
CREATE FUNCTION settle_hints(lane_environment TEXT, lane_user BIGINT, caller TEXT) RETURNS VOID
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known BIGINT;
    earliest BIGINT;
    lane TEXT;
BEGIN
    IF lane_user IS NULL THEN
        SELECT 'environment/' || id, hint_due_ms INTO lane, known
            FROM environments WHERE id = lane_environment FOR NO KEY UPDATE;
        SELECT min(not_before_ms) INTO earliest
            FROM hints WHERE environment = lane_environment AND "user" IS NULL;
        IF earliest IS DISTINCT FROM known THEN
            UPDATE environments SET hint_due_ms = earliest WHERE id = lane_environment;
        END IF;
    ELSE
        SELECT 'mailbox/' || encode(id, 'hex'), hint_due_ms INTO lane, known
            FROM users WHERE number = lane_user FOR NO KEY UPDATE;
        SELECT min(not_before_ms) INTO earliest
            FROM hints WHERE environment = lane_environment AND "user" = lane_user;
        IF earliest IS DISTINCT FROM known THEN
            UPDATE users SET hint_due_ms = earliest WHERE number = lane_user;
        END IF;
    END IF;
    IF lane IS NOT NULL AND coalesce(earliest, 9223372036854775807) < coalesce(known, 9223372036854775807) THEN
        PERFORM pg_notify('tribelink', caller || ' ' || lane);
    END IF;
END
$$;
