-- When a failed message's error was reported. A message may fail again later: its error is the later
-- one's, and `failed_at` is the first one's time.

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
       strftime('%Y-%m-%dT%H:%M:%fZ', message.error_at_ms / 1000.0, 'unixepoch') AS error_at,
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
