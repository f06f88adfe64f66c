-- One word for one thing. A report that is not forwarded to a subscriber is skipped, as SkipReason says;
-- "refused" is a send that a provider refuses. A replay queues forwards, as the API's answer to a retry
-- says. SQLite writes the new names of the columns into the views that show or read them.
ALTER TABLE report RENAME COLUMN refusals TO skipped;
ALTER TABLE replay RENAME COLUMN marked TO queued;
