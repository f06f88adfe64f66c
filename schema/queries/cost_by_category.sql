-- What was billed, by source, category, pricing type and currency.
--
-- Infobip reports a price with each report of a message: the highest counts, once. Meta
-- reports the category, the type and whether it is billable, but no price: cost is empty there.
--
-- Since October 2026 Meta charges service messages too, but for the first thousand that each
-- number has delivered in a month. Which type these carry is not known, so free_thousand counts
-- them: of the messages of the row, those that are within the thousand of their number and month
-- (UTC). A free entry point is free in itself and uses up none.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
WITH priced AS (
    SELECT message_id,
           max(price) AS price,
           max(currency) AS currency,
           max(billable) AS billable,
           max(pricing_type) AS pricing_type,
           max(sender_id) AS sender_id
    FROM report
    GROUP BY message_id
),
service AS (
    SELECT message.message_id,
           row_number() OVER (
               PARTITION BY message.source, coalesce(priced.sender_id, message.sender),
                            substr(coalesce(message.delivered_at, message.read_at), 1, 7)
               ORDER BY coalesce(message.delivered_at, message.read_at), message.message_id
           ) AS place
    FROM v_messages AS message
    JOIN priced USING (message_id)
    WHERE message.category = 'service'
      AND coalesce(message.delivered_at, message.read_at) >= '2026-10-01'
      AND priced.pricing_type IS NOT 'free_entry_point'
)
SELECT message.source,
       message.category,
       priced.pricing_type,
       priced.currency,
       count(*) AS messages,
       count(*) FILTER (WHERE priced.billable = 1 OR priced.price > 0) AS billable,
       count(*) FILTER (WHERE service.place <= 1000) AS free_thousand,
       round(sum(priced.price), 4) AS cost
FROM v_messages AS message
JOIN priced USING (message_id)
LEFT JOIN service USING (message_id)
WHERE message.category IS NOT NULL OR priced.price IS NOT NULL
GROUP BY message.source, message.category, priced.pricing_type, priced.currency
ORDER BY message.source, message.category, priced.pricing_type, priced.currency;
