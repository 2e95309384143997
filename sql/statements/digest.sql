-- Every row of the tables that the digest covers: the iv of what is sealed, or all columns in the order
-- of the schema.

-- name: digest_feature
SELECT name, required FROM feature;
-- name: digest_reservation
SELECT kind, next FROM reservation;
-- name: digest_volume
SELECT substr(sealed, 1, 24) FROM volume;
-- name: digest_counter
SELECT substr(sealed, 1, 24) FROM counter;
-- name: digest_key_slot
SELECT volume, slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped FROM key_slot;
-- name: digest_node
SELECT substr(sealed, 1, 24) FROM node;
-- name: digest_edge
SELECT substr(sealed, 1, 24) FROM edge;
-- name: digest_xattr
SELECT substr(sealed, 1, 24) FROM xattr;
-- name: digest_atime
SELECT substr(sealed, 1, 24) FROM atime;
-- name: digest_orphan
SELECT node FROM orphan;
-- name: digest_chunk
SELECT id, domain, digest, refs FROM chunk;
-- name: digest_reclaim
SELECT substr(sealed, 1, 24) FROM reclaim;

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
