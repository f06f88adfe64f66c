-- Seconds from sent to delivered on WhatsApp, by the provider's own times: half of the messages took at
-- most p50, nine of ten at most p90, and so on.
--
-- Infobip's reports have no moment of sending, so its messages appear only where a sent was
-- reported. A phone that was switched off counts with all the time it was.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
WITH taken AS (
    SELECT source,
           delivered_after_s,
           row_number() OVER (PARTITION BY source ORDER BY delivered_after_s) AS place,
           count(*) OVER (PARTITION BY source) AS messages
    FROM v_messages
    WHERE channel = 'whatsapp'
      AND delivered_after_s IS NOT NULL
)
SELECT source,
       messages,
       min(delivered_after_s) FILTER (WHERE place >= 0.50 * messages) AS p50,
       min(delivered_after_s) FILTER (WHERE place >= 0.90 * messages) AS p90,
       min(delivered_after_s) FILTER (WHERE place >= 0.99 * messages) AS p99,
       max(delivered_after_s) AS longest
FROM taken
GROUP BY source
ORDER BY source;
