-- Every row of the tables that the digest covers, by all columns in the order of the schema.

-- name: digest_feature
SELECT name, required FROM feature;
-- name: digest_reservation
SELECT kind, next FROM reservation;
-- name: digest_volume
SELECT id, uuid, name, root, domain, encrypted, generation, id_generation, chunk_size, dedupe, compression, epoch, created, sealed
FROM volume;
-- name: digest_counter
SELECT volume, generation, sealed FROM counter;
-- name: digest_key_slot
SELECT volume, slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped FROM key_slot;
-- name: digest_node
SELECT id, volume, since, generation, sealed FROM node;
-- name: digest_edge
SELECT id, parent, tag, child, since, generation, sealed FROM edge;
-- name: digest_xattr
SELECT node, tag, since, generation, sealed FROM xattr;
-- name: digest_atime
SELECT node, generation, sealed FROM atime;
-- name: digest_orphan
SELECT node FROM orphan;
-- name: digest_chunk
SELECT id, domain, digest, refs FROM chunk;
-- name: digest_reclaim
SELECT id, volume, generation, sealed FROM reclaim;

-- name: digest_rows
SELECT (SELECT count(*) FROM node) + (SELECT count(*) FROM edge) + (SELECT count(*) FROM xattr)
    + (SELECT count(*) FROM atime) + (SELECT count(*) FROM chunk) + (SELECT count(*) FROM reclaim);

-- name: content_in_place
-- Whether chunks, the rows of their data and the index over these are the same ones.  Each row of
-- data is looked up in its table, down to its page, and not read further.
SELECT (SELECT count(*) FROM chunk) AS expected,
    (SELECT count(*) FROM chunk AS c CROSS JOIN chunk_data AS d NOT INDEXED ON d.id = c.id),
    (SELECT count(*) FROM chunk_data NOT INDEXED),
    (SELECT count(*) FROM chunk_data AS d INDEXED BY chunk_data_by_generation
        CROSS JOIN chunk AS c ON c.id = d.id),
    (SELECT count(*) FROM chunk_data INDEXED BY chunk_data_by_generation);
