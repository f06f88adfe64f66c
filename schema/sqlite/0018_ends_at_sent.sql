-- How far a source's provider reports is a property of the source, so that no statement asks which
-- provider it is. The service writes it at each start, of every source, by the provider's definition.
ALTER TABLE source ADD COLUMN ends_at_sent INTEGER NOT NULL DEFAULT 0;

DROP VIEW v_broadcasts;
CREATE VIEW v_broadcasts AS
SELECT message.bulk_id,
       source.name AS source,
       count(*) AS total,
       count(*) FILTER (WHERE message.status IN ('delivered', 'read', 'deleted')
           OR (message.status = 'sent' AND source.ends_at_sent)) AS success,
       count(*) FILTER (WHERE message.status = 'failed') AS failure,
       count(*) FILTER (WHERE message.status IS NULL OR message.status = 'queued'
           OR (message.status = 'sent' AND NOT source.ends_at_sent)) AS pending,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(message.first_report_at_ms) / 1000.0, 'unixepoch') AS first_report_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', max(message.last_report_at_ms) / 1000.0, 'unixepoch') AS last_report_at
FROM message JOIN source USING (source_id)
WHERE message.bulk_id IS NOT NULL
GROUP BY message.bulk_id, message.source_id;
