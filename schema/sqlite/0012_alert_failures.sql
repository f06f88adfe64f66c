-- How many failures an alert tells of stood in its text alone. The timeline of each of these failures
-- names the alert that told of it, so the count stands with the forward, and the first alert of a chat
-- at or after a report is found without reading all that was sent to it.

ALTER TABLE forward ADD COLUMN alert_failures INTEGER;

-- Holds alerts alone: at most one for each chat, error and minute.
CREATE INDEX forward_alert ON forward (subscriber_id, report_id) WHERE alert_failures IS NOT NULL;
