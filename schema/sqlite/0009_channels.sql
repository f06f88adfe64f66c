-- Other channels than WhatsApp: which one a report is of, and what they reported of a message.

-- What was stored before counts as WhatsApp's, but for the reports that named a channel.
ALTER TABLE report RENAME COLUMN channel TO other_channel;
-- Not stored: a word in every row would be paid for by every report.
ALTER TABLE report ADD COLUMN channel TEXT
    GENERATED ALWAYS AS (coalesce(other_channel, 'whatsapp')) VIRTUAL;

-- The channel whose status the message has; empty once the message is known as one of WhatsApp's.
ALTER TABLE message ADD COLUMN other_channel TEXT;
-- What other channels reported, as JSON: held until the message is known as one of WhatsApp's.
ALTER TABLE message ADD COLUMN others TEXT;
ALTER TABLE message ADD COLUMN channel TEXT
    GENERATED ALWAYS AS (coalesce(other_channel, 'whatsapp')) VIRTUAL;

DROP VIEW v_messages;
CREATE VIEW v_messages AS
SELECT message.message_id,
       source.name AS source,
       source.provider,
       message.provider_message_id,
       message.channel,
       message.status,
       message.conflict,
       message.type,
       message.type_rule,
       message.recipient,
       message.sender,
       message.text,
       message.bulk_id,
       message.category,
       registration.template_name,
       registration.template_language,
       registration.template_parameters,
       registration.metadata,
       registration.send_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.queued_at_ms / 1000.0, 'unixepoch') AS queued_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.sent_at_ms / 1000.0, 'unixepoch') AS sent_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.delivered_at_ms / 1000.0, 'unixepoch') AS delivered_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.read_at_ms / 1000.0, 'unixepoch') AS read_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.failed_at_ms / 1000.0, 'unixepoch') AS failed_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.deleted_at_ms / 1000.0, 'unixepoch') AS deleted_at,
       (message.delivered_at_ms - message.sent_at_ms) / 1000.0 AS delivered_after_s,
       (message.read_at_ms - message.sent_at_ms) / 1000.0 AS read_after_s,
       message.error_key,
       message.error_code,
       message.error_title,
       message.error_details,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.first_report_at_ms / 1000.0, 'unixepoch') AS first_report_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.last_report_at_ms / 1000.0, 'unixepoch') AS last_report_at
FROM message JOIN source USING (source_id)
LEFT JOIN registration ON registration.message_id = message.message_id;

DROP VIEW v_silent;
CREATE VIEW v_silent AS
SELECT message.message_id,
       source.name AS source,
       message.provider_message_id,
       message.channel,
       message.status,
       message.type,
       message.recipient,
       message.sender,
       message.text,
       message.bulk_id,
       registration.template_name,
       registration.metadata,
       strftime('%Y-%m-%dT%H:%M:%fZ', registration.sent_at_ms / 1000.0, 'unixepoch') AS sent_at,
       registration.ttl_s,
       strftime('%Y-%m-%dT%H:%M:%fZ', registration.silent_after_ms / 1000.0, 'unixepoch') AS silent_since
FROM registration JOIN message USING (message_id) JOIN source USING (source_id)
WHERE registration.silent_after_ms < strftime('%s', 'now') * 1000
  AND coalesce(message.delivered_at_ms, message.read_at_ms, message.failed_at_ms, message.deleted_at_ms) IS NULL;

DROP VIEW v_timeline;
CREATE VIEW v_timeline AS
SELECT message.message_id,
       source.name AS source,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.received_at_ms / 1000.0, 'unixepoch') AS at,
       'report' AS event,
       report.channel,
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch') AS provider_at,
       NULL AS subscriber,
       report.change AS outcome,
       coalesce(report.error_title || coalesce(': ' || report.error_details, ''),
                report.error_details, report.oddities) AS detail,
       report.repeats AS repeats,
       report.webhook_id,
       report.report_id,
       NULL AS forward_id,
       NULL AS attempt_id
FROM message JOIN source USING (source_id) JOIN report USING (message_id)
UNION ALL
SELECT message.message_id,
       source.name,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.received_at_ms / 1000.0, 'unixepoch'),
       'not-forwarded',
       report.channel,
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch'),
       subscriber.name,
       json_extract(refusal.value, '$.reason'),
       NULL,
       NULL,
       report.webhook_id,
       report.report_id,
       NULL,
       NULL
FROM message JOIN source USING (source_id) JOIN report USING (message_id)
JOIN json_each(report.refusals) AS refusal
LEFT JOIN subscriber ON subscriber.subscriber_id = json_extract(refusal.value, '$.subscriber_id')
UNION ALL
SELECT message.message_id,
       source.name,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.owed_since_ms / 1000.0, 'unixepoch'),
       'forward',
       report.channel,
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch'),
       subscriber.name,
       forward.state,
       coalesce(forward.gave_up, forward.last_error),
       NULL,
       report.webhook_id,
       forward.report_id,
       forward.forward_id,
       NULL
FROM message JOIN source USING (source_id) JOIN forward USING (message_id)
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id
UNION ALL
SELECT message.message_id,
       source.name,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', attempt.started_at_ms / 1000.0, 'unixepoch'),
       'attempt',
       report.channel,
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch'),
       subscriber.name,
       coalesce(attempt.error_code, 'delivered'),
       coalesce(attempt.detail, 'HTTP ' || attempt.http_status),
       NULL,
       report.webhook_id,
       forward.report_id,
       forward.forward_id,
       attempt.attempt_id
FROM message JOIN source USING (source_id) JOIN forward USING (message_id) JOIN attempt USING (forward_id)
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id;

DROP VIEW v_failures;
CREATE VIEW v_failures AS
SELECT message.message_id,
       source.name AS source,
       source.provider,
       message.provider_message_id,
       message.channel,
       message.status,
       message.conflict,
       message.type,
       message.recipient,
       message.sender,
       message.bulk_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.failed_at_ms / 1000.0, 'unixepoch') AS failed_at,
       message.error_key,
       message.error_code,
       message.error_title,
       message.error_details,
       error_code.error_key IS NOT NULL AS is_known,
       error_code.name AS error_name,
       error_code.meaning,
       error_code.fixed_by,
       error_code.remedy,
       error_code.resend
FROM message
JOIN source USING (source_id)
LEFT JOIN error_code ON error_code.error_key = message.error_key
WHERE message.failed_at_ms IS NOT NULL;

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
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.owed_since_ms / 1000.0, 'unixepoch') AS owed_since,
       CASE forward.state WHEN 'pending' THEN strftime('%Y-%m-%dT%H:%M:%fZ', forward.due_at_ms / 1000.0, 'unixepoch') END AS due_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.last_attempt_ms / 1000.0, 'unixepoch') AS last_attempt_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.settled_at_ms / 1000.0, 'unixepoch') AS settled_at,
       (forward.settled_at_ms - forward.owed_since_ms) / 1000.0 AS settled_after_s,
       forward.replay_id,
       CAST(payload.body AS TEXT) AS payload
FROM forward
LEFT JOIN message ON message.message_id = forward.message_id
LEFT JOIN source USING (source_id)
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN payload ON payload.payload_id = forward.payload_id;
