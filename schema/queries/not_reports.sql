-- What the providers sent that was no report: acknowledged, counted by name, nothing else.
SELECT source.name AS source,
       ignored.what,
       ignored.count,
       strftime('%Y-%m-%dT%H:%M:%fZ', ignored.first_seen_ms / 1000.0, 'unixepoch') AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', ignored.last_seen_ms / 1000.0, 'unixepoch') AS last_seen
FROM ignored
JOIN source USING (source_id)
ORDER BY ignored.count DESC, source.name, ignored.what;
