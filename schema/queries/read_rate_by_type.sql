-- Of the messages that arrived on WhatsApp: how many were read, by type.
--
-- Recipients who have switched read receipts off never show as read, so the true rate is
-- higher. `guessed` counts the messages whose type is only the source's default.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
SELECT source,
       type,
       count(*) AS arrived,
       count(*) FILTER (WHERE status = 'read') AS "read",
       round(100.0 * count(*) FILTER (WHERE status = 'read') / count(*), 1) AS read_percent,
       count(*) FILTER (WHERE type_rule = 'default') AS guessed
FROM v_messages
WHERE channel = 'whatsapp'
  AND status IN ('delivered', 'read')
GROUP BY source, type
ORDER BY source, type;
