-- The leased run that wrote a line (the fencing number of its lease), so that a pass can be undone as
-- a whole; 0 outside of one.
ALTER TABLE audit ADD COLUMN pass INTEGER NOT NULL DEFAULT 0;
