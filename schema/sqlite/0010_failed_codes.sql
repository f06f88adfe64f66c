-- Which messages failed with an error, so that a code that nobody has seen is answered at once, and
-- not after a look at every message.
--
-- Only failed messages are in these indexes. A code has few values, so each grows at the end of its
-- own part: there is no random access, and a message that was delivered costs nothing.

CREATE INDEX message_error_code ON message (error_code) WHERE error_code IS NOT NULL;
CREATE INDEX message_error_key ON message (error_key) WHERE error_key IS NOT NULL;
