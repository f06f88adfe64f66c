-- Of the messages first reported on a day (UTC): how many arrived on WhatsApp, by source.
--
-- A message counts as delivered when its status is delivered or read. What was reported
-- within the last hours is still on its way, so today's rate is always too low.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
SELECT substr(first_report_at, 1, 10) AS day,
       source,
       count(*) AS messages,
       count(*) FILTER (WHERE status IN ('delivered', 'read')) AS delivered,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       round(100.0 * count(*) FILTER (WHERE status IN ('delivered', 'read')) / count(*), 1) AS delivered_percent
FROM v_messages
WHERE channel = 'whatsapp'
GROUP BY day, source
ORDER BY day, source;
