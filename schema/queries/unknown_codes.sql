-- Errors that the catalogue does not know, as the provider worded them. They were forwarded
-- as they are; a newer tickrelay may explain them.
--
-- Reads all there is: of millions of messages, run it on a copy (schema/README.md).
SELECT error_key,
       max(error_title) AS title,
       max(error_details) AS details,
       count(*) AS reports,
       strftime('%Y-%m-%dT%H:%M:%fZ', max(received_at_ms) / 1000.0, 'unixepoch') AS last_seen
FROM report
WHERE error_key IS NOT NULL
  AND error_key NOT IN (SELECT error_key FROM error_code)
GROUP BY error_key
ORDER BY reports DESC, error_key;
