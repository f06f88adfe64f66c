-- Messages of WhatsApp without a final report for a day: not delivered, not read, not failed.
-- Most often the phone is switched off; many at once mean that reports are missing.
SELECT source,
       provider_message_id,
       recipient,
       status,
       last_report_at
FROM v_messages
WHERE channel = 'whatsapp'
  AND (status IS NULL OR status IN ('queued', 'sent'))
  AND last_report_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')
ORDER BY last_report_at, provider_message_id;
