-- What providers say of the account and not of a message: a template was paused, a number lost
-- quality, a person wants no marketing any more. Few rows, kept as long as messages.

CREATE TABLE account_event (
    account_event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id        INTEGER NOT NULL,
    webhook_id       INTEGER NOT NULL,
    field            TEXT NOT NULL,
    about            TEXT NOT NULL CHECK (about IN ('template', 'number', 'account', 'channel', 'contact')),
    subject          TEXT NOT NULL,
    event            TEXT NOT NULL,
    name             TEXT NOT NULL,
    provider_time    TEXT,
    provider_time_ms INTEGER,
    -- The provider's time, or the day of arrival (UTC) where it gives none: what makes it the same event.
    identity_ms      INTEGER NOT NULL,
    received_at_ms   INTEGER NOT NULL,
    repeats          INTEGER NOT NULL DEFAULT 0,
    last_repeat_ms   INTEGER,
    text             TEXT NOT NULL,
    remedy           TEXT NOT NULL,
    detail           TEXT,
    template_id      TEXT,
    language         TEXT,
    account_id       TEXT,
    person           TEXT,
    person_user_id   TEXT,
    -- The first event of the same subject, by which the notices of one subject keep their order.
    first_event_id   INTEGER
) STRICT;
-- However often it comes it is one; also finds the first of a subject.
CREATE UNIQUE INDEX account_event_identity
    ON account_event (source_id, subject, field, event, identity_ms, coalesce(template_id, ''));
-- The timeline of a failure looks for what happened before it.
CREATE INDEX account_event_at ON account_event (source_id, coalesce(provider_time_ms, received_at_ms));
CREATE INDEX account_event_person ON account_event (person) WHERE person IS NOT NULL;
CREATE INDEX account_event_user ON account_event (person_user_id) WHERE person_user_id IS NOT NULL;

-- Whether a chat is told of them.
ALTER TABLE subscriber ADD COLUMN account_events INTEGER NOT NULL DEFAULT 0;

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
       account_event.repeats,
       account_event.webhook_id
FROM account_event JOIN source USING (source_id);
