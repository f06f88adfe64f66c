-- What providers say of sends: copies of what another responder sent, the template that a Direct
-- Send became, what is new in a price, how a send was answered, and people who changed names.

-- Meta's webhook field that brought the report first; empty for a body without fields.
ALTER TABLE report ADD COLUMN field TEXT;
ALTER TABLE report ADD COLUMN template_id TEXT;
ALTER TABLE report ADD COLUMN pricing_other TEXT;

-- The provider's word for a send that it took (accepted, held_for_quality_assessment, paused), or
-- refused.
ALTER TABLE registration ADD COLUMN send_status TEXT;
-- `message list --refused`; only refused sends pay for it.
CREATE INDEX registration_refused ON registration (message_id) WHERE send_status = 'refused';

-- Two names of one person, a number or a user id each, of whom one took the place of the other.
CREATE TABLE same_person (
    same_person_id INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id      INTEGER NOT NULL,
    name           TEXT NOT NULL,
    other_name     TEXT NOT NULL,
    first_seen_ms  INTEGER NOT NULL,
    last_seen_ms   INTEGER NOT NULL,
    UNIQUE (source_id, name, other_name)
) STRICT;
-- Looked up from either side, when somebody asks for a person.
CREATE INDEX same_person_name ON same_person (name);
CREATE INDEX same_person_other ON same_person (other_name);

DROP VIEW v_messages;
CREATE VIEW v_messages AS
SELECT message.message_id,
       source.name AS source,
       source.provider,
       message.provider_message_id,
       message.status,
       message.conflict,
       message.type,
       message.type_rule,
       message.recipient,
       message.sender,
       message.text,
       message.bulk_id,
       message.category,
       registration.template_name,
       registration.template_language,
       registration.template_parameters,
       registration.metadata,
       registration.send_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.queued_at_ms / 1000.0, 'unixepoch') AS queued_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.sent_at_ms / 1000.0, 'unixepoch') AS sent_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.delivered_at_ms / 1000.0, 'unixepoch') AS delivered_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.read_at_ms / 1000.0, 'unixepoch') AS read_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.failed_at_ms / 1000.0, 'unixepoch') AS failed_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.deleted_at_ms / 1000.0, 'unixepoch') AS deleted_at,
       (message.delivered_at_ms - message.sent_at_ms) / 1000.0 AS delivered_after_s,
       (message.read_at_ms - message.sent_at_ms) / 1000.0 AS read_after_s,
       message.error_key,
       message.error_code,
       message.error_title,
       message.error_details,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.first_report_at_ms / 1000.0, 'unixepoch') AS first_report_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.last_report_at_ms / 1000.0, 'unixepoch') AS last_report_at
FROM message JOIN source USING (source_id)
LEFT JOIN registration ON registration.message_id = message.message_id;
