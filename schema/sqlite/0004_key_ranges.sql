-- Keys are given out in order of arrival, and a clock may jump: one row that was stamped a year
-- ahead, or two days behind, must neither stop pruning nor hide what lies before it.
--
-- So the times of every 1024 keys are noted once the last of them is given out. Readers and
-- pruning pass over the ranges whose times are known not to matter and look at all others; a
-- range without a row here is one that is looked at. An index on each time would cost every
-- report; this is one small row for a thousand.

CREATE TABLE key_range (
    kind        TEXT NOT NULL
                CHECK (kind IN ('webhook', 'message', 'payload', 'forward', 'attempt')),
    range_id    INTEGER NOT NULL,
    earliest_ms INTEGER NOT NULL,
    latest_ms   INTEGER NOT NULL,
    PRIMARY KEY (kind, range_id)
) STRICT, WITHOUT ROWID;

INSERT INTO key_range
SELECT 'webhook', webhook_id / 1024, min(received_at_ms), max(received_at_ms) FROM webhook
WHERE webhook_id < (SELECT seq FROM sqlite_sequence WHERE name = 'webhook') / 1024 * 1024
GROUP BY webhook_id / 1024;

INSERT INTO key_range
SELECT 'message', message_id / 1024, min(first_report_at_ms), max(first_report_at_ms) FROM message
WHERE message_id < (SELECT seq FROM sqlite_sequence WHERE name = 'message') / 1024 * 1024
GROUP BY message_id / 1024;

INSERT INTO key_range
SELECT 'payload', payload_id / 1024, min(coalesce(report.received_at_ms, 0)),
       max(coalesce(report.received_at_ms, 0))
FROM payload LEFT JOIN report USING (report_id)
WHERE payload.report_id > 0
AND payload_id < (SELECT seq FROM sqlite_sequence WHERE name = 'payload') / 1024 * 1024
GROUP BY payload_id / 1024;

INSERT INTO key_range
SELECT 'forward', forward_id / 1024, min(owed_since_ms), max(owed_since_ms) FROM forward
WHERE forward_id < (SELECT seq FROM sqlite_sequence WHERE name = 'forward') / 1024 * 1024
GROUP BY forward_id / 1024;

INSERT INTO key_range
SELECT 'attempt', attempt_id / 1024, min(started_at_ms), max(started_at_ms) FROM attempt
WHERE attempt_id < (SELECT seq FROM sqlite_sequence WHERE name = 'attempt') / 1024 * 1024
GROUP BY attempt_id / 1024;
