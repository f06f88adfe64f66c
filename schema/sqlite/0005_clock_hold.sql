-- A clock that is more than a day ahead of what it showed last is wrong, or the service was off for long:
-- nothing is pruned or expired by it for a day. A restart within that day must not forget this.

-- What the clock showed before it jumped; empty while nothing is held.
ALTER TABLE clock ADD COLUMN before_ms INTEGER;
-- For how long the service has run since.
ALTER TABLE clock ADD COLUMN held_ms INTEGER NOT NULL DEFAULT 0;
