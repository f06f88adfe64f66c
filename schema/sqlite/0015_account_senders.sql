-- Which of the business's numbers an account event is about or came by, and when it ends by itself: an
-- event of another number explains no failure, nor does a restriction that is over.

ALTER TABLE account_event ADD COLUMN sender TEXT;
ALTER TABLE account_event ADD COLUMN sender_id TEXT;
ALTER TABLE account_event ADD COLUMN ends_at_ms INTEGER;

DROP VIEW v_account_events;
CREATE VIEW v_account_events AS
SELECT account_event.account_event_id,
       source.name AS source,
       source.provider,
       strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(account_event.provider_time_ms, account_event.received_at_ms) / 1000.0, 'unixepoch') AS at,
       strftime('%Y-%m-%dT%H:%M:%fZ', account_event.provider_time_ms / 1000.0, 'unixepoch') AS provider_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', account_event.received_at_ms / 1000.0, 'unixepoch') AS received_at,
       account_event.field,
       account_event.about,
       account_event.subject,
       account_event.event,
       account_event.name,
       account_event.text,
       account_event.remedy,
       account_event.detail,
       account_event.template_id,
       account_event.language,
       account_event.account_id,
       account_event.person,
       account_event.person_user_id,
       account_event.sender,
       account_event.sender_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', account_event.ends_at_ms / 1000.0, 'unixepoch') AS ends_at,
       account_event.repeats,
       account_event.webhook_id
FROM account_event JOIN source USING (source_id);
