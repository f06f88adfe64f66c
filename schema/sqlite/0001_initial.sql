-- The store from the first day: what came in, what it means, who is owed it, how the sending went.
--
-- Columns are explained in schema/README.md. Times are integer milliseconds UTC in columns
-- named _ms. Keys are AUTOINCREMENT because row ids must not be used again after pruning.
-- There are no foreign keys: rows are written by one writer in one transaction each, and
-- pruning goes table by table. Each index is paid for on every report; the reason stands
-- beside it.

CREATE TABLE source (
    source_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL UNIQUE,
    provider  TEXT NOT NULL
) STRICT;

CREATE TABLE webhook (
    webhook_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id        INTEGER NOT NULL,
    received_at_ms   INTEGER NOT NULL,
    -- Not a list: SQLite would make a table of more than two words, for every row that is written.
    outcome          TEXT NOT NULL CHECK (outcome = 'processed' OR outcome = 'duplicate'
                                          OR outcome = 'ignored' OR outcome = 'unparsed'),
    outcome_detail   TEXT,
    reports          INTEGER NOT NULL,
    new_reports      INTEGER NOT NULL,
    unreadable       INTEGER NOT NULL,
    default_type     TEXT,
    default_sender   TEXT,
    content_type     TEXT,
    content_encoding TEXT,
    user_agent       TEXT,
    broadcast        TEXT,
    body             BLOB
) STRICT;
-- `webhook list --outcome unparsed` and `reprocess`; empty on a good day.
CREATE INDEX webhook_unreadable ON webhook (webhook_id) WHERE unreadable > 0;

CREATE TABLE ignored (
    source_id     INTEGER NOT NULL,
    what          TEXT NOT NULL,
    count         INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    PRIMARY KEY (source_id, what)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    message_id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id           INTEGER NOT NULL,
    provider_message_id TEXT,
    element_hash        BLOB,
    status              TEXT,
    conflict            INTEGER NOT NULL,
    type                TEXT NOT NULL,
    type_rule           TEXT NOT NULL,
    recipient           TEXT,
    sender              TEXT,
    text                TEXT,
    bulk_id             TEXT,
    category            TEXT,
    registered          TEXT,
    queued_at_ms        INTEGER,
    sent_at_ms          INTEGER,
    delivered_at_ms     INTEGER,
    read_at_ms          INTEGER,
    failed_at_ms        INTEGER,
    deleted_at_ms       INTEGER,
    error_key           TEXT,
    error_code          INTEGER,
    error_title         TEXT,
    error_details       TEXT,
    error_at_ms         INTEGER,
    first_report_at_ms  INTEGER NOT NULL,
    last_report_at_ms   INTEGER NOT NULL
) STRICT;
-- Every report looks its message up by this; the one index with random access.
CREATE UNIQUE INDEX message_provider_id ON message (provider_message_id, source_id)
    WHERE provider_message_id IS NOT NULL;
-- A report without a message id is told by its bytes; rare.
CREATE UNIQUE INDEX message_element ON message (element_hash, source_id)
    WHERE element_hash IS NOT NULL;
-- Broadcasts, their messages and their list; only messages of a broadcast pay for it.
CREATE INDEX message_bulk ON message (bulk_id, source_id) WHERE bulk_id IS NOT NULL;

-- What a sender told of a message that does not stand with the message itself.
CREATE TABLE registration (
    message_id          INTEGER PRIMARY KEY,
    origin              TEXT NOT NULL CHECK (origin IN ('call', 'echo')),
    owner               TEXT,
    template_name       TEXT,
    template_language   TEXT,
    template_parameters TEXT,
    metadata            TEXT,
    sent_at_ms          INTEGER,
    ttl_s               INTEGER,
    silent_after_ms     INTEGER,
    registered_at_ms    INTEGER NOT NULL
) STRICT;
-- v_silent; only messages with a time to live pay for it, close to append order.
CREATE INDEX registration_silent ON registration (silent_after_ms) WHERE silent_after_ms IS NOT NULL;

-- The bodies that texts are rendered from when a message is registered.
CREATE TABLE template (
    template_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    language      TEXT NOT NULL,
    body          TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX template_name ON template (name, language);

-- The broadcasts of a source that sends nothing and is asked: a row for each, so there are few.
CREATE TABLE poll (
    poll_id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id        INTEGER NOT NULL,
    broadcast        TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('open', 'done', 'gave-up')),
    gave_up          TEXT CHECK (gave_up IN ('expired', 'gone')),
    registered_at_ms INTEGER NOT NULL,
    due_at_ms        INTEGER NOT NULL,
    polls            INTEGER NOT NULL DEFAULT 0,
    unchanged        INTEGER NOT NULL DEFAULT 0,
    failures         INTEGER NOT NULL DEFAULT 0,
    gone_since_ms    INTEGER,
    answered_at_ms   INTEGER,
    changed_at_ms    INTEGER,
    settled_at_ms    INTEGER,
    error_code       TEXT,
    error_detail     TEXT,
    answer_hash      BLOB,
    total            INTEGER,
    success          INTEGER,
    failure          INTEGER,
    pending          INTEGER
) STRICT;
-- Registering one finds it.
CREATE UNIQUE INDEX poll_broadcast ON poll (source_id, broadcast);
-- What is to be asked next; holds only what is open.
CREATE INDEX poll_due ON poll (source_id, due_at_ms) WHERE state = 'open';

CREATE TABLE report (
    report_id                INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id               INTEGER NOT NULL,
    webhook_id               INTEGER,
    identity                 INTEGER NOT NULL,
    kind                     TEXT NOT NULL,
    provider_status          TEXT NOT NULL,
    status                   TEXT,
    change                   TEXT NOT NULL,
    provider_time            TEXT,
    provider_time_ms         INTEGER,
    received_at_ms           INTEGER NOT NULL,
    repeats                  INTEGER NOT NULL DEFAULT 0,
    last_repeat_ms           INTEGER,
    recipient                TEXT,
    recipient_user_id        TEXT,
    recipient_parent_user_id TEXT,
    group_id                 TEXT,
    participant              TEXT,
    sender                   TEXT,
    sender_id                TEXT,
    account_id               TEXT,
    channel                  TEXT,
    error_key                TEXT,
    error_code               INTEGER,
    error_title              TEXT,
    error_details            TEXT,
    errors                   TEXT,
    echo                     TEXT,
    pricing_category         TEXT,
    pricing_model            TEXT,
    pricing_type             TEXT,
    billable                 INTEGER,
    conversation_id          TEXT,
    conversation_origin      TEXT,
    conversation_expires_ms  INTEGER,
    price                    REAL,
    currency                 TEXT,
    bulk_id                  TEXT,
    entity_id                TEXT,
    application_id           TEXT,
    url                      TEXT,
    oddities                 TEXT,
    refusals                 TEXT
) STRICT;
-- De-duplication and the timeline; close to append order, since messages are young when reported.
CREATE UNIQUE INDEX report_identity ON report (message_id, identity);
-- What was said of one member of a group; only messages to groups pay for it.
CREATE INDEX report_participant ON report (message_id, participant)
    WHERE participant IS NOT NULL;

CREATE TABLE payload (
    payload_id INTEGER PRIMARY KEY AUTOINCREMENT,
    report_id  INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;

CREATE TABLE subscriber (
    subscriber_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL,
    owner            TEXT,
    url              TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('callback', 'chat', 'events')),
    wording          TEXT,
    link             TEXT,
    state            TEXT NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    state_reason     TEXT,
    filter           TEXT NOT NULL,
    reports          TEXT NOT NULL CHECK (reports IN ('changes', 'all')),
    format           TEXT NOT NULL CHECK (format IN ('rocketchat', 'extended')),
    error_format     TEXT NOT NULL,
    phone_format     TEXT NOT NULL,
    timestamp_format TEXT NOT NULL,
    ordering         TEXT NOT NULL CHECK (ordering IN ('relaxed', 'strict')),
    concurrency      INTEGER NOT NULL,
    timeout_ms       INTEGER,
    rate_limit       INTEGER,
    schedule         TEXT,
    headers          TEXT,
    auth             TEXT CHECK (auth IN ('basic', 'bearer')),
    created_at_ms    INTEGER NOT NULL,
    failing_since_ms INTEGER,
    removed_at_ms    INTEGER
) STRICT;
-- A removed subscriber stays for the timelines that name it; its name is free again.
CREATE UNIQUE INDEX subscriber_name ON subscriber (name) WHERE removed_at_ms IS NULL;

CREATE TABLE forward (
    forward_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    uid             BLOB NOT NULL,
    subscriber_id   INTEGER NOT NULL,
    message_id      INTEGER NOT NULL,
    report_id       INTEGER NOT NULL,
    payload_id      INTEGER NOT NULL,
    place_ms        INTEGER NOT NULL,
    place_rank      INTEGER NOT NULL,
    -- Not a list, as in `webhook`.
    state           TEXT NOT NULL
                    CHECK (state = 'pending' OR state = 'delivered' OR state = 'gave-up'),
    gave_up         TEXT,
    attempts        INTEGER NOT NULL,
    owed_since_ms   INTEGER NOT NULL,
    due_at_ms       INTEGER NOT NULL,
    last_attempt_ms INTEGER,
    settled_at_ms   INTEGER,
    last_error      TEXT,
    replay_id       INTEGER
) STRICT;
-- A subscriber asks about a `webhook-id`; grows at its end, the ids being ordered by time.
CREATE UNIQUE INDEX forward_uid ON forward (uid);
-- The timeline, and the earlier forwards of one message; close to append order.
CREATE INDEX forward_message ON forward (message_id);
-- What is owed; holds only what is pending, so it is small in good times.
CREATE INDEX forward_due ON forward (subscriber_id, due_at_ms) WHERE state = 'pending';

-- The ids that a forward had before it was sent again with a new one: what a subscriber's log holds stays
-- findable. No row unless somebody asked for new ids.
CREATE TABLE former_uid (
    uid            BLOB PRIMARY KEY,
    forward_id     INTEGER NOT NULL,
    replaced_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX former_uid_forward ON former_uid (forward_id);

CREATE TABLE attempt (
    attempt_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    forward_id    INTEGER NOT NULL,
    number        INTEGER,
    started_at_ms INTEGER NOT NULL,
    duration_ms   INTEGER NOT NULL,
    http_status   INTEGER,
    error_code    TEXT,
    detail        TEXT,
    excerpt       TEXT
) STRICT;
-- The attempts of one forward; grows at its end but for retries.
CREATE INDEX attempt_forward ON attempt (forward_id);

-- What is owed again to one subscriber, a few hundred forwards at a time: a row for each replay that
-- somebody asked for, so there are few.
CREATE TABLE replay (
    replay_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    uid            BLOB NOT NULL UNIQUE,
    subscriber_id  INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    states         TEXT NOT NULL,
    since_ms       INTEGER,
    until_ms       INTEGER,
    error_code     TEXT,
    source         TEXT,
    sources        TEXT,
    status         TEXT,
    new_id         INTEGER NOT NULL,
    first_id       INTEGER NOT NULL,
    next_id        INTEGER NOT NULL,
    last_id        INTEGER NOT NULL,
    marked         INTEGER NOT NULL,
    created_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER
) STRICT;

-- Failures that a chat is still to be told of, by error; a row while a minute runs, so there are few.
CREATE TABLE alert (
    subscriber_id INTEGER NOT NULL,
    error_key     TEXT NOT NULL,
    failures      INTEGER NOT NULL,
    message_id    INTEGER NOT NULL,
    report_id     INTEGER NOT NULL,
    due_at_ms     INTEGER NOT NULL,
    PRIMARY KEY (subscriber_id, error_key)
) STRICT, WITHOUT ROWID;

-- What was said of the service itself: a row for each thing that can be wrong, once it was.
CREATE TABLE condition (
    condition_id INTEGER PRIMARY KEY AUTOINCREMENT,
    what         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    holds        INTEGER NOT NULL,
    began_at_ms  INTEGER NOT NULL,
    told_at_ms   INTEGER NOT NULL,
    text         TEXT NOT NULL,
    UNIQUE (what, subject)
) STRICT;

-- What came in, counted in steps of ten minutes for eight days: what is usual.
CREATE TABLE pulse (
    begins_at_ms INTEGER NOT NULL,
    what         TEXT NOT NULL CHECK (what IN ('webhooks', 'unreadable', 'reports', 'failures')),
    subject      TEXT NOT NULL,
    count        INTEGER NOT NULL,
    PRIMARY KEY (begins_at_ms, what, subject)
) STRICT, WITHOUT ROWID;

-- What the clock showed last; one row.
CREATE TABLE clock (
    clock_id INTEGER PRIMARY KEY CHECK (clock_id = 1),
    shown_ms INTEGER NOT NULL
) STRICT;

-- The clock was set back, and what waits is still to be moved: a row for each time, gone when done.
CREATE TABLE setback (
    setback_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    by_ms         INTEGER NOT NULL,
    since_ms      INTEGER NOT NULL,
    until_ms      INTEGER,
    subscriber_id INTEGER NOT NULL,
    after_ms      INTEGER NOT NULL,
    after_id      INTEGER NOT NULL
) STRICT;

-- Who changed what; a row for each change that somebody asked for, so there are few.
CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    caller   TEXT NOT NULL,
    role     TEXT NOT NULL,
    action   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    id       TEXT,
    detail   TEXT NOT NULL
) STRICT;

CREATE TABLE error_code (
    error_key     TEXT PRIMARY KEY,
    provider      TEXT NOT NULL,
    code          INTEGER,
    name          TEXT NOT NULL,
    meaning       TEXT NOT NULL,
    remedy        TEXT NOT NULL,
    fixed_by      TEXT NOT NULL,
    resend        TEXT NOT NULL,
    implies_type  TEXT,
    whatsapp_code INTEGER
) STRICT, WITHOUT ROWID;

-- Views: what analysts read. Times are ISO 8601 in UTC with milliseconds, words are plain, and
-- none of them needs JSON to be dug into. They cost nothing until they are asked.

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

-- A message is silent by the clock of whoever asks: no row is written for it.
CREATE VIEW v_silent AS
SELECT message.message_id,
       source.name AS source,
       message.provider_message_id,
       message.status,
       message.type,
       message.recipient,
       message.sender,
       message.text,
       message.bulk_id,
       registration.template_name,
       registration.metadata,
       strftime('%Y-%m-%dT%H:%M:%fZ', registration.sent_at_ms / 1000.0, 'unixepoch') AS sent_at,
       registration.ttl_s,
       strftime('%Y-%m-%dT%H:%M:%fZ', registration.silent_after_ms / 1000.0, 'unixepoch') AS silent_since
FROM registration JOIN message USING (message_id) JOIN source USING (source_id)
WHERE registration.silent_after_ms < strftime('%s', 'now') * 1000
  AND coalesce(message.delivered_at_ms, message.read_at_ms, message.failed_at_ms, message.deleted_at_ms) IS NULL;

-- Each part joins the message by itself, so that one message is looked up by its index.
CREATE VIEW v_timeline AS
SELECT message.message_id,
       source.name AS source,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.received_at_ms / 1000.0, 'unixepoch') AS at,
       'report' AS event,
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch') AS provider_at,
       NULL AS subscriber,
       report.change AS outcome,
       coalesce(report.error_title || coalesce(': ' || report.error_details, ''),
                report.error_details, report.oddities) AS detail,
       report.repeats AS repeats,
       report.webhook_id,
       report.report_id,
       NULL AS forward_id,
       NULL AS attempt_id
FROM message JOIN source USING (source_id) JOIN report USING (message_id)
UNION ALL
SELECT message.message_id,
       source.name,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.received_at_ms / 1000.0, 'unixepoch'),
       'not-forwarded',
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch'),
       subscriber.name,
       json_extract(refusal.value, '$.reason'),
       NULL,
       NULL,
       report.webhook_id,
       report.report_id,
       NULL,
       NULL
FROM message JOIN source USING (source_id) JOIN report USING (message_id)
JOIN json_each(report.refusals) AS refusal
LEFT JOIN subscriber ON subscriber.subscriber_id = json_extract(refusal.value, '$.subscriber_id')
UNION ALL
SELECT message.message_id,
       source.name,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.owed_since_ms / 1000.0, 'unixepoch'),
       'forward',
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch'),
       subscriber.name,
       forward.state,
       coalesce(forward.gave_up, forward.last_error),
       NULL,
       report.webhook_id,
       forward.report_id,
       forward.forward_id,
       NULL
FROM message JOIN source USING (source_id) JOIN forward USING (message_id)
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id
UNION ALL
SELECT message.message_id,
       source.name,
       message.provider_message_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', attempt.started_at_ms / 1000.0, 'unixepoch'),
       'attempt',
       report.status,
       report.provider_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', report.provider_time_ms / 1000.0, 'unixepoch'),
       subscriber.name,
       coalesce(attempt.error_code, 'delivered'),
       coalesce(attempt.detail, 'HTTP ' || attempt.http_status),
       NULL,
       report.webhook_id,
       forward.report_id,
       forward.forward_id,
       attempt.attempt_id
FROM message JOIN source USING (source_id) JOIN forward USING (message_id) JOIN attempt USING (forward_id)
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id;

CREATE VIEW v_failures AS
SELECT message.message_id,
       source.name AS source,
       source.provider,
       message.provider_message_id,
       message.status,
       message.conflict,
       message.type,
       message.recipient,
       message.sender,
       message.bulk_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', message.failed_at_ms / 1000.0, 'unixepoch') AS failed_at,
       message.error_key,
       message.error_code,
       message.error_title,
       message.error_details,
       error_code.error_key IS NOT NULL AS is_known,
       error_code.name AS error_name,
       error_code.meaning,
       error_code.fixed_by,
       error_code.remedy,
       error_code.resend
FROM message
JOIN source USING (source_id)
LEFT JOIN error_code ON error_code.error_key = message.error_key
WHERE message.failed_at_ms IS NOT NULL;

CREATE VIEW v_forwards AS
SELECT forward.forward_id,
       lower(substr(hex(forward.uid), 1, 8) || '-' || substr(hex(forward.uid), 9, 4) || '-' || substr(hex(forward.uid), 13, 4)
        || '-' || substr(hex(forward.uid), 17, 4) || '-' || substr(hex(forward.uid), 21)) AS forward_uid,
       subscriber.name AS subscriber,
       source.name AS source,
       forward.message_id,
       message.provider_message_id,
       message.type,
       message.recipient,
       forward.report_id,
       report.status,
       forward.state,
       forward.gave_up,
       forward.attempts,
       forward.last_error,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.owed_since_ms / 1000.0, 'unixepoch') AS owed_since,
       CASE forward.state WHEN 'pending' THEN strftime('%Y-%m-%dT%H:%M:%fZ', forward.due_at_ms / 1000.0, 'unixepoch') END AS due_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.last_attempt_ms / 1000.0, 'unixepoch') AS last_attempt_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', forward.settled_at_ms / 1000.0, 'unixepoch') AS settled_at,
       (forward.settled_at_ms - forward.owed_since_ms) / 1000.0 AS settled_after_s,
       forward.replay_id,
       CAST(payload.body AS TEXT) AS payload
FROM forward
LEFT JOIN message ON message.message_id = forward.message_id
LEFT JOIN source USING (source_id)
LEFT JOIN subscriber ON subscriber.subscriber_id = forward.subscriber_id
LEFT JOIN report ON report.report_id = forward.report_id
LEFT JOIN payload ON payload.payload_id = forward.payload_id;

CREATE VIEW v_replays AS
SELECT replay.replay_id,
       lower(substr(hex(replay.uid), 1, 8) || '-' || substr(hex(replay.uid), 9, 4) || '-' || substr(hex(replay.uid), 13, 4)
        || '-' || substr(hex(replay.uid), 17, 4) || '-' || substr(hex(replay.uid), 21)) AS replay_uid,
       subscriber.name AS subscriber,
       replay.state,
       replay.states,
       strftime('%Y-%m-%dT%H:%M:%fZ', replay.since_ms / 1000.0, 'unixepoch') AS since,
       strftime('%Y-%m-%dT%H:%M:%fZ', replay.until_ms / 1000.0, 'unixepoch') AS until,
       replay.error_code,
       replay.source,
       replay.status,
       replay.new_id,
       replay.next_id - replay.first_id AS examined,
       replay.last_id - replay.first_id + 1 AS total,
       replay.marked,
       strftime('%Y-%m-%dT%H:%M:%fZ', replay.created_at_ms / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', replay.finished_at_ms / 1000.0, 'unixepoch') AS finished_at
FROM replay LEFT JOIN subscriber USING (subscriber_id);

CREATE VIEW v_broadcasts AS
SELECT message.bulk_id,
       source.name AS source,
       count(*) AS total,
       count(*) FILTER (WHERE message.status IN ('delivered', 'read', 'deleted')
           OR (message.status = 'sent' AND source.provider = 'botsquad')) AS success,
       count(*) FILTER (WHERE message.status = 'failed') AS failure,
       count(*) FILTER (WHERE message.status IS NULL OR message.status = 'queued'
           OR (message.status = 'sent' AND source.provider <> 'botsquad')) AS pending,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(message.first_report_at_ms) / 1000.0, 'unixepoch') AS first_report_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', max(message.last_report_at_ms) / 1000.0, 'unixepoch') AS last_report_at
FROM message JOIN source USING (source_id)
WHERE message.bulk_id IS NOT NULL
GROUP BY message.bulk_id, message.source_id;

CREATE VIEW v_webhooks AS
SELECT webhook.webhook_id,
       source.name AS source,
       source.provider,
       strftime('%Y-%m-%dT%H:%M:%fZ', webhook.received_at_ms / 1000.0, 'unixepoch') AS received_at,
       webhook.outcome,
       webhook.outcome_detail,
       webhook.reports,
       webhook.new_reports,
       webhook.unreadable,
       webhook.content_type,
       webhook.content_encoding,
       webhook.user_agent,
       webhook.broadcast,
       length(webhook.body) AS body_bytes
FROM webhook JOIN source USING (source_id);

CREATE VIEW v_subscribers AS
SELECT subscriber.subscriber_id,
       subscriber.name,
       subscriber.owner,
       subscriber.url,
       subscriber.kind,
       subscriber.state,
       subscriber.state_reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', subscriber.created_at_ms / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', subscriber.failing_since_ms / 1000.0, 'unixepoch') AS failing_since,
       strftime('%Y-%m-%dT%H:%M:%fZ', subscriber.removed_at_ms / 1000.0, 'unixepoch') AS removed_at,
       count(forward.forward_id) AS pending,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(forward.owed_since_ms) / 1000.0, 'unixepoch') AS oldest_pending_since
FROM subscriber
LEFT JOIN forward ON forward.subscriber_id = subscriber.subscriber_id AND forward.state = 'pending'
GROUP BY subscriber.subscriber_id;

CREATE VIEW v_conditions AS
SELECT condition.condition_id,
       condition.what,
       condition.subject,
       condition.holds,
       strftime('%Y-%m-%dT%H:%M:%fZ', condition.began_at_ms / 1000.0, 'unixepoch') AS began_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', condition.told_at_ms / 1000.0, 'unixepoch') AS told_at,
       condition.text
FROM condition;

CREATE VIEW v_audit AS
SELECT audit.audit_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', audit.at_ms / 1000.0, 'unixepoch') AS at,
       audit.caller,
       audit.role,
       audit.action,
       audit.kind,
       audit.id,
       audit.detail
FROM audit;
