-- How subscribers answer: attempts, how many failed, and how long they take. Covers the
-- attempts that are still kept (30 days by default).
SELECT subscriber.name AS subscriber,
       subscriber.state,
       count(*) AS attempts,
       count(attempt.error_code) AS failed,
       round(100.0 * count(attempt.error_code) / count(*), 1) AS failed_percent,
       round(avg(attempt.duration_ms)) AS mean_ms,
       max(attempt.duration_ms) AS longest_ms,
       group_concat(DISTINCT attempt.error_code) AS errors
FROM attempt
JOIN forward USING (forward_id)
JOIN subscriber USING (subscriber_id)
GROUP BY subscriber.subscriber_id
ORDER BY failed_percent DESC, mean_ms DESC;
