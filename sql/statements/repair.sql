-- What `sqlfs check --repair` looks for: rows by their own key, whatever else they hold.

-- name: repair_nodes
SELECT id, volume, since, generation, sealed FROM node WHERE id >= ? ORDER BY id LIMIT ?;
-- name: repair_edges
SELECT id, parent, tag, child, since, generation, sealed FROM edge WHERE id >= ? ORDER BY id LIMIT ?;
-- name: repair_parentless
SELECT e.id, e.parent, e.tag, e.child, e.since, e.generation, e.sealed FROM edge AS e
WHERE e.id >= ?1 AND NOT EXISTS (SELECT 1 FROM node AS n WHERE n.id = e.parent) ORDER BY e.id LIMIT ?2;
-- name: repair_nameless
SELECT n.id, n.volume FROM node AS n
WHERE n.id >= ?1 AND NOT EXISTS (SELECT 1 FROM edge AS e WHERE e.child = n.id)
  AND NOT EXISTS (SELECT 1 FROM volume AS v WHERE v.root = n.id) ORDER BY n.id LIMIT ?2;
-- name: repair_xattrs
SELECT node, tag, since, generation, sealed FROM xattr WHERE (node, tag) > (?1, ?2) ORDER BY node, tag LIMIT ?3;
-- name: repair_atimes
SELECT node, generation, sealed FROM atime WHERE node >= ? ORDER BY node LIMIT ?;
-- name: repair_orphans
SELECT node FROM orphan WHERE node >= ? ORDER BY node LIMIT ?;
-- name: repair_reclaim
SELECT id, volume, generation, sealed FROM reclaim WHERE id >= ? ORDER BY id LIMIT ?;
-- name: repair_chunks
SELECT c.id, c.domain, c.digest, EXISTS (SELECT 1 FROM chunk_data AS d WHERE d.id = c.id)
FROM chunk AS c WHERE c.id >= ? ORDER BY c.id LIMIT ?;
-- name: repair_stray_data
SELECT d.id FROM chunk_data AS d INDEXED BY chunk_data_by_generation
WHERE d.id >= ?1 AND NOT EXISTS (SELECT 1 FROM chunk AS c WHERE c.id = d.id) ORDER BY d.id LIMIT ?2;

-- name: chunk_insert_at
INSERT INTO chunk (id, domain, digest, refs) VALUES (?, ?, ?, 1);
-- name: lineage_strays
DELETE FROM lineage WHERE id <> 1;
-- name: volume_flags
UPDATE volume SET encrypted = ?2, dedupe = ?3 WHERE id = ?1 AND (encrypted <> ?2 OR dedupe <> ?3);
-- name: counter_strays
DELETE FROM counter WHERE volume NOT IN (SELECT v.id FROM volume AS v);
-- name: key_slot_strays
-- Where anything of the volume is left, what opens it is kept.
DELETE FROM key_slot
WHERE volume NOT IN (SELECT v.id FROM volume AS v) AND volume NOT IN (SELECT n.volume FROM node AS n);
-- name: changed_rows
SELECT changes();
-- name: edge_doubles
DELETE FROM edge WHERE id NOT IN (SELECT min(e.id) FROM edge AS e NOT INDEXED GROUP BY e.parent, e.tag);
-- name: chunk_doubles
DELETE FROM chunk WHERE id NOT IN (SELECT min(c.id) FROM chunk AS c NOT INDEXED GROUP BY c.domain, c.digest);
