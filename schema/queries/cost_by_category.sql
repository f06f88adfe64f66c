-- What was billed, by source, category and currency.
--
-- Infobip reports a price with each report of a message: the highest counts, once. Meta
-- reports the category and whether it is billable, but no price: cost is empty there.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
WITH priced AS (
    SELECT message_id,
           max(price) AS price,
           max(currency) AS currency,
           max(billable) AS billable
    FROM report
    GROUP BY message_id
)
SELECT message.source,
       message.category,
       priced.currency,
       count(*) AS messages,
       count(*) FILTER (WHERE priced.billable = 1 OR priced.price > 0) AS billable,
       round(sum(priced.price), 4) AS cost
FROM v_messages AS message
JOIN priced USING (message_id)
WHERE message.category IS NOT NULL OR priced.price IS NOT NULL
GROUP BY message.source, message.category, priced.currency
ORDER BY message.source, message.category, priced.currency;
