-- What stood in a second file beside the store, tickrelay.secrets.db, stands in the store: so a change
-- and the secrets that belong to it are one transaction, and one file is the whole store.
--
-- Whoever reads this file must not read the secrets: every column named `sealed` or `url_sealed` holds
-- ChaCha20-Poly1305 under a key that is not in it, bound to its table, row and column. A token is kept as
-- its hash. The rows of the second file are sealed and put here in the same transaction as these tables.

CREATE TABLE token (
    token_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    hash          BLOB NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    owner         TEXT,
    sources       TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    last_used_ms  INTEGER,
    revoked_at_ms INTEGER
) STRICT;

CREATE TABLE subscriber_secret (
    secret_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER NOT NULL,
    sealed        BLOB NOT NULL,
    expires_at_ms INTEGER
) STRICT;
-- The secrets of one subscriber; a few rows for each.
CREATE INDEX subscriber_secret_subscriber ON subscriber_secret (subscriber_id);

CREATE TABLE subscriber_header (
    subscriber_id INTEGER NOT NULL,
    name          TEXT NOT NULL,
    sealed        BLOB NOT NULL,
    PRIMARY KEY (subscriber_id, name)
) STRICT, WITHOUT ROWID;

-- Requests with an Idempotency-Key of the last 24 h. Sealed is what was asked, as a hash, and the answer
-- once there is one: it may hold a secret that was shown once, or a phone number.
CREATE TABLE idempotency (
    caller   TEXT NOT NULL,
    key      TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    sealed   BLOB NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT;
-- Finds those that are over a day old; grows at its end.
CREATE INDEX idempotency_begun ON idempotency (begun_ms);

-- Whoever has the URL of a chat's incoming webhook can post there: `url` keeps its beginning alone.
ALTER TABLE subscriber ADD COLUMN url_sealed BLOB;
