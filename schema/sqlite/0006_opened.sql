-- SQLite finds the write-ahead log by the store's path. After a kill the log holds the newest rows,
-- and a start by another name (a rename, a hard link, a mount) would miss them and never say so.
--
-- So the name that the store is open by stands here, moved into the file at once, until it is
-- closed. The start compares: the store's file is the same, its log is another, and the
-- log beside the former name is still there.

CREATE TABLE opened (
    opened_id  INTEGER PRIMARY KEY CHECK (opened_id = 1),
    path       BLOB NOT NULL,
    device     INTEGER NOT NULL,
    inode      INTEGER NOT NULL,
    log_device INTEGER NOT NULL,
    log_inode  INTEGER NOT NULL
) STRICT;
