-- Why messages failed on WhatsApp, the most frequent reason first, with who can fix it and how.
--
-- A message that was delivered in spite of a failed report (conflict = 1) is left out.
SELECT fixed_by,
       error_key,
       coalesce(error_name, error_title) AS reason,
       count(*) AS messages,
       resend,
       remedy
FROM v_failures
WHERE channel = 'whatsapp'
  AND status = 'failed'
GROUP BY error_key
ORDER BY messages DESC, error_key;
