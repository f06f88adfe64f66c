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
    outcome          TEXT NOT NULL CHECK (outcome IN ('processed', 'duplicate', 'ignored', 'unparsed')),
    outcome_detail   TEXT,
    reports          INTEGER NOT NULL,
    new_reports      INTEGER NOT NULL,
    unreadable       INTEGER NOT NULL,
    default_type     TEXT,
    default_sender   TEXT,
    content_type     TEXT,
    content_encoding TEXT,
    user_agent       TEXT,
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
-- v_broadcasts; only messages of a broadcast pay for it.
CREATE INDEX message_bulk ON message (bulk_id) WHERE bulk_id IS NOT NULL;

CREATE TABLE report (
    report_id                INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id               INTEGER NOT NULL,
    webhook_id               INTEGER NOT NULL,
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

CREATE TABLE payload (
    payload_id INTEGER PRIMARY KEY AUTOINCREMENT,
    report_id  INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;

CREATE TABLE subscriber (
    subscriber_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL,
    url              TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    state_reason     TEXT,
    filter           TEXT NOT NULL,
    error_format     TEXT NOT NULL,
    phone_format     TEXT NOT NULL,
    timestamp_format TEXT NOT NULL,
    concurrency      INTEGER NOT NULL,
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
    state           TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'gave-up')),
    gave_up         TEXT,
    attempts        INTEGER NOT NULL,
    owed_since_ms   INTEGER NOT NULL,
    due_at_ms       INTEGER NOT NULL,
    last_attempt_ms INTEGER,
    settled_at_ms   INTEGER,
    last_error      TEXT
) STRICT;
-- A subscriber asks about a `webhook-id`; grows at its end, the ids being ordered by time.
CREATE UNIQUE INDEX forward_uid ON forward (uid);
-- The timeline, and the earlier forwards of one message; close to append order.
CREATE INDEX forward_message ON forward (message_id);
-- What is owed; holds only what is pending, so it is small in good times.
CREATE INDEX forward_due ON forward (subscriber_id, due_at_ms) WHERE state = 'pending';

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
