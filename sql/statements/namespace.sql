-- name: node_get
-- Two lookups of an access time that is not there cost a fifth of what joining it from the left does.
SELECT n.since, n.generation, n.sealed,
    (SELECT a.generation FROM atime AS a WHERE a.node = n.id), (SELECT a.sealed FROM atime AS a WHERE a.node = n.id)
FROM node AS n WHERE n.id = ?1 AND n.volume = ?2;
-- name: node_ahead
-- What the edges of a directory above ?2 lead to, in their order.
SELECT n.id, n.since, n.generation, n.sealed,
    (SELECT a.generation FROM atime AS a WHERE a.node = n.id), (SELECT a.sealed FROM atime AS a WHERE a.node = n.id)
FROM edge AS e INDEXED BY edge_by_parent CROSS JOIN node AS n ON n.id = e.child
WHERE e.parent = ?1 AND e.id > ?2 AND n.volume = ?4 ORDER BY e.id LIMIT ?3;
-- name: node_put
INSERT INTO node (id, volume, since, generation, sealed) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET since = ?3, generation = ?4, sealed = ?5;
-- name: node_elsewhere
SELECT 1 FROM node WHERE id = ? AND volume <> ?;
-- name: node_delete
DELETE FROM node WHERE id = ?;
-- name: node_page
-- Nodes of a volume in the order of their ids, above ?2.
SELECT id, since, generation, sealed FROM node WHERE volume = ?1 AND id > ?2 ORDER BY id LIMIT ?3;
-- name: node_count
SELECT count(*) FROM node WHERE volume = ?;

-- name: atime_set
INSERT OR REPLACE INTO atime (node, generation, sealed) VALUES (?, ?, ?);
-- name: atime_delete
DELETE FROM atime WHERE node = ?;

-- name: edge_find
SELECT id, child, since, generation, sealed FROM edge WHERE parent = ? AND tag = ?;
-- name: edge_insert
INSERT INTO edge (id, parent, tag, child, since, generation, sealed) VALUES (?, ?, ?, ?, ?, ?, ?);
-- name: edge_move
-- With the values of edge_insert: the child, ?4, stays.
UPDATE edge SET parent = ?2, tag = ?3, since = ?5, generation = ?6, sealed = ?7 WHERE id = ?1;
-- name: edge_delete
DELETE FROM edge WHERE id = ?;
-- name: edge_by_id
SELECT id, child, since, generation, sealed, tag FROM edge WHERE id = ? AND parent = ?;
-- name: edge_count
SELECT count(*) FROM edge WHERE child = ?;
-- name: edge_any
SELECT 1 FROM edge WHERE parent = ? LIMIT 1;
-- name: edge_page
SELECT e.id, e.child, e.since, e.generation, e.sealed, e.tag FROM edge AS e INDEXED BY edge_by_parent
WHERE e.parent = ?1 AND e.id > ?2 ORDER BY e.id LIMIT ?3;
-- name: edge_of_child
-- The oldest placement of a node.
SELECT id, parent, since, generation, sealed, tag FROM edge WHERE child = ? ORDER BY id LIMIT 1;

-- name: xattr_get
SELECT since, generation, sealed FROM xattr WHERE node = ? AND tag = ?;
-- name: xattr_all
SELECT tag, since, generation, sealed FROM xattr WHERE node = ? ORDER BY tag;
-- name: xattr_set
INSERT OR REPLACE INTO xattr (node, tag, since, generation, sealed) VALUES (?, ?, ?, ?, ?);
-- name: xattr_delete
DELETE FROM xattr WHERE node = ? AND tag = ?;
-- name: xattr_delete_all
DELETE FROM xattr WHERE node = ?;

-- name: orphan_insert
INSERT OR IGNORE INTO orphan (node) VALUES (?);
-- name: orphan_delete
DELETE FROM orphan WHERE node = ?;
-- name: orphan_page
-- From the few orphans to their nodes: the other way leads over every node of the volume.
SELECT o.node FROM orphan AS o CROSS JOIN node AS n ON n.id = o.node
WHERE n.volume = ?1 AND o.node > ?2 ORDER BY o.node LIMIT ?3;

-- name: node_check
-- With how many names each has, and whether it has xattrs.
SELECT n.id, n.since, n.generation, n.sealed,
    (SELECT count(*) FROM edge AS e WHERE e.child = n.id), EXISTS (SELECT 1 FROM xattr AS x WHERE x.node = n.id)
FROM node AS n WHERE n.volume = ?1 AND n.id > ?2 ORDER BY n.id LIMIT ?3;
-- name: edge_children
SELECT child FROM edge WHERE parent = ?;
-- name: edge_all
SELECT e.id, e.parent, e.tag, e.child, e.since, e.generation, e.sealed
FROM edge AS e CROSS JOIN node AS n ON n.id = e.parent
WHERE n.volume = ?1 AND e.id > ?2 ORDER BY e.id LIMIT ?3;
-- name: xattr_all_nodes
SELECT x.node, x.tag, x.since, x.generation, x.sealed
FROM xattr AS x CROSS JOIN node AS n ON n.id = x.node
WHERE n.volume = ?1 AND (x.node, x.tag) > (?2, ?3) ORDER BY x.node, x.tag LIMIT ?4;
-- name: atime_page
SELECT a.node, a.generation, a.sealed FROM atime AS a CROSS JOIN node AS n ON n.id = a.node
WHERE n.volume = ?1 AND a.node > ?2 ORDER BY a.node LIMIT ?3;
