-- The field's words for what a first version named otherwise: what is pending is not "owed", whoever
-- operates the service is notified, a clock is rolled back.
ALTER TABLE forward RENAME COLUMN owed_since_ms TO pending_since_ms;
ALTER TABLE condition RENAME COLUMN told_at_ms TO notified_at_ms;
ALTER TABLE pulse RENAME TO traffic;
ALTER TABLE setback RENAME COLUMN setback_id TO clock_rollback_id;
ALTER TABLE setback RENAME TO clock_rollback;

DROP VIEW v_forwards;
CREATE VIEW v_forwards AS
SELECT forward.forward_id,
       lower(substr(hex(forward.uid), 1, 8) || '-' || substr(hex(forward.uid), 9, 4) || '-' || substr(hex(forward.uid), 13, 4)
        || '-' || substr(hex(forward.uid), 17, 4) || '-' || substr(hex(forward.uid), 21)) AS forward_uid,
       subscriber.name AS subscriber,
       source.name AS source,
       forward.message_id,
       message.provider_message_id,
       message.type,
       message.recipient,
       forward.report_id,
       report.channel,
       report.status,
       forward.state,
       forward.gave_up,
       forward.attempts,
       forward.last_error,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.pending_since_ms / 1000.0, 'unixepoch') AS pending_since,
       CASE forward.state WHEN 'pending' THEN strftime('%Y-%m-%dT%H:%M:%fZ', forward.due_at_ms / 1000.0, 'unixepoch') END AS due_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.last_attempt_ms / 1000.0, 'unixepoch') AS last_attempt_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.settled_at_ms / 1000.0, 'unixepoch') AS settled_at,
       (forward.settled_at_ms - forward.pending_since_ms) / 1000.0 AS settled_after_s,
       forward.replay_id,
       CAST(payload.body AS TEXT) AS payload
FROM forward
LEFT JOIN message ON message.message_id = forward.message_id
LEFT JOIN source USING (source_id)
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN payload ON payload.payload_id = forward.payload_id;

DROP VIEW v_conditions;
CREATE VIEW v_conditions AS
SELECT condition.condition_id,
       condition.what,
       condition.subject,
       condition.holds,
       strftime('%Y-%m-%dT%H:%M:%fZ', condition.began_at_ms / 1000.0, 'unixepoch') AS began_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', condition.notified_at_ms / 1000.0, 'unixepoch') AS notified_at,
       condition.text
FROM condition;
