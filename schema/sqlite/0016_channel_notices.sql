-- Errors of a channel come each second of an outage. A notice of one opens a window in which further
-- ones of the same source and code are counted; what was counted is told when it is over.
ALTER TABLE account_event ADD COLUMN notice_until_ms INTEGER;

-- Holds open windows alone: at most one for each source and code.
CREATE UNIQUE INDEX account_event_window
    ON account_event (source_id, event) WHERE notice_until_ms IS NOT NULL;

-- The same of two accounts is two events.
DROP INDEX account_event_identity;
CREATE UNIQUE INDEX account_event_identity
    ON account_event (source_id, subject, field, event, identity_ms, coalesce(template_id, ''),
                      coalesce(account_id, ''));
