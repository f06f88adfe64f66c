-- Every provider's broadcast has one name; `bulkId` is Infobip's word for it. SQLite writes the new
-- name of a column into the views that show it.
ALTER TABLE message RENAME COLUMN bulk_id TO broadcast;
ALTER TABLE report RENAME COLUMN bulk_id TO broadcast;

DROP INDEX message_bulk;
CREATE INDEX message_broadcast ON message (broadcast, source_id) WHERE broadcast IS NOT NULL;

UPDATE message SET registered = replace(registered, 'bulk_id', 'broadcast') WHERE instr(registered, 'bulk_id');
