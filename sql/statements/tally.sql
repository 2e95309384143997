-- Counting references in a database of its own, on disk where it is large.

-- name: tally_create
CREATE TABLE tally (key BLOB PRIMARY KEY, seen INTEGER NOT NULL) WITHOUT ROWID;
-- name: tally_add
INSERT INTO tally (key, seen) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET seen = seen + 1;
-- name: tally_get
SELECT seen FROM tally WHERE key = ?;
-- name: tally_within
SELECT key, seen FROM tally WHERE key > ? AND key < ? ORDER BY key LIMIT ?;
-- name: tally_total
SELECT coalesce(sum(seen), 0) FROM tally;
