-- name: delta_ids
-- Of all volumes, in the order in which they apply.
SELECT id, node FROM delta WHERE id > ? ORDER BY id LIMIT ?;
-- name: delta_get
SELECT generation, sealed FROM delta WHERE id = ?;
-- name: delta_insert
INSERT INTO delta (id, node, generation, sealed) VALUES (?, ?, ?, ?);
-- name: delta_delete
DELETE FROM delta WHERE id = ?;
-- name: delta_strays
DELETE FROM delta WHERE node NOT IN (SELECT n.id FROM node AS n);
