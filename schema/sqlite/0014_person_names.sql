-- Which names are one person's: each statement that gives several is noted, and not only a notice
-- that one took the place of another. So a member of a group is one under each of them.

-- A pair is noted once, whichever name came first.
UPDATE OR IGNORE same_person SET (name, other_name) = (other_name, name) WHERE name > other_name;

-- A member is one, however its number is written.
UPDATE report SET participant =
    replace(replace(replace(replace(replace(replace(participant, '+', ''), ' ', ''), '-', ''), '(', ''), ')', ''), '.', '')
WHERE participant IS NOT NULL
  AND participant GLOB '*[^0-9]*' AND participant GLOB '*[0-9]*' AND participant NOT GLOB '*[^-+0-9 ().]*';

-- What earlier reports said: of a recipient's number and user id, and of a member's.
INSERT OR IGNORE INTO same_person (source_id, name, other_name, first_seen_ms, last_seen_ms)
SELECT source_id, min(one, other), max(one, other), min(at_ms), max(at_ms)
FROM (
    SELECT source_id, report.received_at_ms AS at_ms, report.recipient_user_id AS other,
           replace(replace(replace(replace(replace(replace(report.recipient, '+', ''), ' ', ''), '-', ''), '(', ''), ')', ''), '.', '') AS one
    FROM report JOIN message USING (message_id)
    WHERE report.recipient_user_id IS NOT NULL AND (group_id IS NULL OR participant IS NOT NULL)
    UNION ALL
    SELECT source_id, report.received_at_ms, report.recipient_user_id, participant
    FROM report JOIN message USING (message_id)
    WHERE report.recipient_user_id IS NOT NULL AND participant IS NOT NULL
)
WHERE length(one) BETWEEN 7 AND 20 AND one NOT GLOB '*[^0-9]*'
  AND other GLOB '[A-Za-z][A-Za-z].?*' AND other GLOB '*[0-9]*' AND length(other) <= 256
  AND other NOT GLOB '*[ ]*'
GROUP BY 1, 2, 3;

-- Only the failures of members pay for it: looked through when a link between names is news.
CREATE INDEX report_failed_member ON report (participant)
    WHERE participant IS NOT NULL AND status = 'failed';
-- Members are looked up by each of their names now.
DROP INDEX report_participant_user;

-- What befell a member under one name, and what befell it under another.
UPDATE message SET conflict = 1
WHERE conflict = 0 AND failed_at_ms IS NOT NULL AND coalesce(delivered_at_ms, read_at_ms) IS NOT NULL
  AND EXISTS (
      SELECT 1 FROM report AS failed JOIN report AS reached USING (message_id)
      JOIN same_person ON same_person.source_id = message.source_id
       AND name = min(failed.participant, reached.participant)
       AND other_name = max(failed.participant, reached.participant)
      WHERE failed.message_id = message.message_id
        AND failed.status = 'failed' AND failed.participant IS NOT NULL
        AND reached.status IN ('delivered', 'read') AND reached.participant IS NOT NULL);
