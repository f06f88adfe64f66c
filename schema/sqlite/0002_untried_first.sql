-- Forwards that were never tried and those that wait for another attempt are read apart: behind a
-- hundred thousand retries that are due together, a new forward is found at once. Same size, same
-- cost: a row changes its part with its first failed attempt.
DROP INDEX forward_due;
CREATE INDEX forward_due ON forward (subscriber_id, (attempts > 0), due_at_ms) WHERE state = 'pending';
