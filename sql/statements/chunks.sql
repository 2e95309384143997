-- name: chunk_find
SELECT id, refs FROM chunk WHERE domain = ? AND digest = ?;
-- Not by a join, which takes three times as long as this.
-- name: chunk_load
SELECT generation, sealed FROM chunk_data
WHERE id = (SELECT id FROM chunk WHERE domain = ? AND digest = ?);
-- name: chunk_locate
SELECT id, generation FROM chunk_data
WHERE id = (SELECT id FROM chunk WHERE domain = ? AND digest = ?);
-- name: chunk_data_get
SELECT generation, sealed FROM chunk_data WHERE id = ?;
-- name: chunk_insert
INSERT INTO chunk (domain, digest, refs) VALUES (?, ?, 1);
-- name: chunk_data_insert
INSERT INTO chunk_data (id, generation, sealed) VALUES (?, ?, ?);
-- name: chunk_ref
UPDATE chunk SET refs = refs + 1
WHERE domain = ? AND digest = ? AND typeof(refs) = 'integer' AND refs BETWEEN 1 AND 4611686018427387902;
-- name: chunk_set_refs
UPDATE chunk SET refs = ?2 WHERE id = ?1;
-- name: chunk_delete
DELETE FROM chunk WHERE id = ?;
-- name: chunk_data_delete
DELETE FROM chunk_data WHERE id = ?;
-- name: chunk_page
-- By id alone (hence the +): by domain, each page would sort all that are left.
SELECT c.id, c.digest, c.refs FROM chunk AS c
WHERE +c.domain = ?1 AND c.id > ?2 ORDER BY c.id LIMIT ?3;
-- name: chunk_count
SELECT count(*) FROM chunk WHERE domain = ?;

-- name: reclaim_insert
INSERT INTO reclaim (id, volume, generation, sealed) VALUES (?, ?, ?, ?);
-- name: reclaim_next
SELECT id, generation, sealed FROM reclaim WHERE volume = ? ORDER BY id LIMIT 1;
-- name: reclaim_delete
DELETE FROM reclaim WHERE id = ?;
-- name: reclaim_all
SELECT id, generation, sealed FROM reclaim WHERE volume = ? AND id > ? ORDER BY id LIMIT ?;
