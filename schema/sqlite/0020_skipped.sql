-- One word for one thing. A report that is not forwarded to a subscriber is skipped, as SkipReason says;
-- "refused" is a send that a provider refuses. A replay queues forwards, as the API's answer to a retry
-- says. SQLite writes the new names of the columns into the views that show or read them.
ALTER TABLE report RENAME COLUMN refusals TO skipped;
ALTER TABLE replay RENAME COLUMN marked TO queued;

-- What a removed subscriber still has pending is given up some at a time, and is counted no more.
DROP VIEW v_subscribers;
CREATE VIEW v_subscribers AS
SELECT subscriber.subscriber_id,
       subscriber.name,
       subscriber.owner,
       subscriber.url,
       subscriber.kind,
       subscriber.state,
       subscriber.state_reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', subscriber.created_at_ms / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', subscriber.failing_since_ms / 1000.0, 'unixepoch') AS failing_since,
       strftime('%Y-%m-%dT%H:%M:%fZ', subscriber.removed_at_ms / 1000.0, 'unixepoch') AS removed_at,
       count(forward.forward_id) AS pending,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(forward.pending_since_ms) / 1000.0, 'unixepoch') AS oldest_pending_since
FROM subscriber
LEFT JOIN forward ON forward.subscriber_id = subscriber.subscriber_id AND forward.state = 'pending'
    AND subscriber.removed_at_ms IS NULL
GROUP BY subscriber.subscriber_id;
