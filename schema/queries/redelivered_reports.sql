-- Reports that a provider delivered more than once, by source and day of the last repeat. A
-- few are normal; many mean that our answers come too late or not at all.
SELECT strftime('%Y-%m-%d', report.last_repeat_ms / 1000.0, 'unixepoch') AS day,
       source.name AS source,
       count(*) AS reports,
       sum(report.repeats) AS repeats,
       max(report.repeats) AS most_of_one
FROM report
JOIN message USING (message_id)
JOIN source USING (source_id)
WHERE report.repeats > 0
GROUP BY day, source.name
ORDER BY day, source.name;
