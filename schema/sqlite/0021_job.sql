-- Long work is kept: what it was, how far it came and how it ended, also where the service ended before it
-- did. Few rows: one that has ended goes after a week.
CREATE TABLE job (
    job_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uid            BLOB NOT NULL UNIQUE,
    kind           TEXT NOT NULL CHECK (kind IN ('erase', 'reprocess', 'rotate-key')),
    state          TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
    caller         TEXT NOT NULL,
    role           TEXT NOT NULL,
    -- What is to be carried on after a restart. It names a person: sealed, and gone when the job has ended.
    sealed         BLOB,
    -- Once, and once more for each restart that carried it on.
    starts         INTEGER NOT NULL,
    done           INTEGER NOT NULL,
    total          INTEGER NOT NULL,
    result         TEXT,
    problem_status INTEGER,
    problem        TEXT,
    created_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER
) STRICT;
