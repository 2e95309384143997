-- What was found in a malformed file, in a database of its own, on disk where it is large.  Rows
-- of one id may be several; rank tells which to believe first.

-- name: wreck_create
CREATE TABLE frame (page INTEGER NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (page, offset)) WITHOUT ROWID;
CREATE TABLE volume (rank, id, uuid, name, root, domain, encrypted, generation, id_generation, chunk_size, dedupe, compression, epoch, created, sealed);
CREATE TABLE uuid (rank, uuid, id);
CREATE TABLE key_slot (rank, volume, slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped);
CREATE TABLE node (rank, id, volume, since, generation, sealed);
CREATE TABLE edge (rank, id, parent, tag, child, since, generation, sealed);
CREATE TABLE xattr (rank, node, tag, since, generation, sealed);
CREATE TABLE delta (rank, id, node, generation, sealed);
CREATE TABLE small (rank, id, generation, sealed);
CREATE TABLE piece (domain, digest, id, PRIMARY KEY (domain, digest, id)) WITHOUT ROWID;
CREATE TABLE claim (domain, digest, id);
CREATE TABLE data (rank, id, generation, in_log, offset, page, cell);
CREATE TABLE placed (node INTEGER PRIMARY KEY, edge INTEGER NOT NULL);
-- name: wreck_index
CREATE INDEX node_by_id ON node (id, rank);
CREATE INDEX edge_by_id ON edge (id, rank);
CREATE INDEX edge_by_parent ON edge (parent, id);
CREATE INDEX edge_by_child ON edge (child, id);
CREATE INDEX xattr_by_node ON xattr (node, tag, rank);
CREATE INDEX delta_by_node ON delta (node, id, rank DESC);
CREATE INDEX small_by_id ON small (id, rank);
CREATE INDEX piece_by_id ON piece (id);
CREATE INDEX data_by_id ON data (id, rank);

-- name: wreck_frame
INSERT OR IGNORE INTO frame (page, offset) VALUES (?, ?);
-- name: wreck_frame_uncommitted
DELETE FROM frame WHERE offset > ?;
-- name: wreck_frame_newest
SELECT max(offset) FROM frame WHERE page = ?;
-- name: wreck_frame_all
SELECT page, max(offset) FROM frame WHERE page > ? GROUP BY page ORDER BY page LIMIT ?;
-- name: wreck_frame_last
SELECT coalesce(max(page), 0) FROM frame;

-- name: wreck_volume
INSERT INTO volume VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: wreck_uuid
INSERT INTO uuid VALUES (?, ?, ?);
-- name: wreck_key_slot
INSERT INTO key_slot VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: wreck_node
INSERT INTO node VALUES (?, ?, ?, ?, ?, ?);
-- name: wreck_edge
INSERT INTO edge VALUES (?, ?, ?, ?, ?, ?, ?, ?);
-- name: wreck_xattr
INSERT INTO xattr VALUES (?, ?, ?, ?, ?, ?);
-- name: wreck_delta
INSERT INTO delta VALUES (?, ?, ?, ?, ?);
-- name: wreck_small
INSERT INTO small VALUES (?, ?, ?, ?);
-- name: wreck_piece
INSERT OR IGNORE INTO piece VALUES (?, ?, ?);
-- name: wreck_data
INSERT INTO data VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: wreck_volumes
SELECT id, uuid, name, root, domain, encrypted, generation, id_generation, chunk_size, dedupe, compression, epoch, created, sealed
FROM volume ORDER BY id, rank DESC LIMIT 1000;
-- name: wreck_uuids
SELECT uuid, id FROM uuid ORDER BY id, rank DESC LIMIT 1000;
-- name: wreck_slots
SELECT slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped
FROM key_slot WHERE volume = ? ORDER BY slot, rank DESC LIMIT 64;
-- name: wreck_node_ids
SELECT DISTINCT id FROM node WHERE volume = ? AND id > ? ORDER BY id LIMIT ?;
-- name: wreck_nodes
SELECT rank, since, generation, sealed FROM node WHERE id = ? AND volume = ? ORDER BY rank DESC LIMIT 64;
-- name: wreck_edges_of
SELECT rank, id, child, since, generation, sealed FROM edge
WHERE parent = ?1 AND id > ?2 ORDER BY id, rank DESC LIMIT ?3;
-- name: wreck_edges_to
SELECT rank, id, parent, since, generation, sealed FROM edge WHERE child = ? ORDER BY rank DESC, id LIMIT ?;
-- name: wreck_edge_by_id
SELECT rank, parent, child, since, generation, sealed FROM edge WHERE id = ? ORDER BY rank DESC LIMIT 64;
-- name: wreck_parents
SELECT DISTINCT parent FROM edge WHERE parent > ? ORDER BY parent LIMIT ?;
-- name: wreck_xattrs
SELECT tag, since, generation, sealed FROM xattr
WHERE node = ?1 AND tag > ?2 ORDER BY tag, rank DESC LIMIT ?3;
-- name: wreck_deltas
SELECT rank, id, generation, sealed FROM delta
WHERE node = ?1 AND id > ?2 ORDER BY id, rank DESC LIMIT ?3;
-- name: wreck_smalls
SELECT generation, sealed FROM small WHERE id = ? ORDER BY rank DESC LIMIT 64;
-- name: wreck_data_of
SELECT d.generation, d.in_log, d.offset, d.page, d.cell
FROM piece AS p CROSS JOIN data AS d ON d.id = p.id
WHERE p.domain = ? AND p.digest = ? ORDER BY d.rank DESC LIMIT 64;
-- name: wreck_data_unclaimed
-- Rows of data whose digest no row tells.
SELECT d.rowid, d.id, d.generation, d.in_log, d.offset, d.page, d.cell FROM data AS d
WHERE d.rowid > ?1 AND NOT EXISTS (SELECT 1 FROM piece AS p WHERE p.id = d.id) ORDER BY d.rowid LIMIT ?2;

-- name: wreck_claim
INSERT INTO claim VALUES (?, ?, ?);
-- name: wreck_claims_hold
INSERT OR IGNORE INTO piece SELECT domain, digest, id FROM claim;

-- name: wreck_place
INSERT OR IGNORE INTO placed (node, edge) VALUES (?, ?);
-- name: wreck_placed
SELECT edge FROM placed WHERE node = ?;
-- name: wreck_unplace_all
DELETE FROM placed;
