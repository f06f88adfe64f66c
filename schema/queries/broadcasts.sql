-- How each broadcast went, the newest first.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
SELECT broadcast,
       source,
       total,
       success,
       failure,
       pending,
       round(100.0 * success / total, 1) AS success_percent,
       first_report_at
FROM v_broadcasts
ORDER BY first_report_at DESC, broadcast;
