-- Whose failure contradicts whose delivery: members of a group do not contradict each other.

-- A member is known by its number in one report and by its user id in the next; only messages to
-- groups pay for it.
CREATE INDEX report_participant_user ON report (message_id, recipient_user_id)
    WHERE participant IS NOT NULL AND recipient_user_id IS NOT NULL;

-- What was counted as a contradiction between two members is none.
UPDATE message SET conflict = 0
WHERE conflict = 1
  AND EXISTS (SELECT 1 FROM report WHERE report.message_id = message.message_id AND participant IS NOT NULL)
  AND NOT EXISTS (
      SELECT 1 FROM report AS failed JOIN report AS reached USING (message_id)
      WHERE failed.message_id = message.message_id
        AND failed.status = 'failed' AND reached.status IN ('delivered', 'read')
        AND (failed.participant IS reached.participant
             OR failed.participant = reached.recipient_user_id
             OR failed.recipient_user_id = reached.participant
             OR failed.recipient_user_id = reached.recipient_user_id));
