-- name: lineage_get
SELECT record FROM lineage WHERE id = 1;
-- name: lineage_insert
INSERT INTO lineage (id, record) VALUES (1, ?);
-- name: lineage_set
UPDATE lineage SET record = ? WHERE id = 1;

-- name: feature_all
SELECT name, required FROM feature ORDER BY name;

-- name: schema_all
SELECT type, name, tbl_name, sql FROM sqlite_schema
WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name;
-- name: page_counts
SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count;
-- name: lineage_root_page
SELECT rootpage FROM sqlite_schema WHERE name = 'lineage';

-- name: reservation_get
SELECT next FROM reservation WHERE kind = ?;
-- name: reservation_used
-- The greatest id of a kind in use.
SELECT CASE ?
    WHEN 'node' THEN (SELECT max(id) FROM node WHERE id < 1099511627776)
    WHEN 'edge' THEN (SELECT max(id) FROM edge)
    WHEN 'volume' THEN (SELECT max(id) FROM volume)
    WHEN 'mount' THEN (SELECT max(id) FROM mount)
    WHEN 'reclaim' THEN (SELECT max(id) FROM reclaim)
    WHEN 'delta' THEN (SELECT max(id) FROM delta)
END;
-- name: greatest_key
-- The greatest of the keys by which a table's rows are paged.
SELECT CASE ?
    WHEN 'node' THEN (SELECT max(id) FROM node)
    WHEN 'edge' THEN (SELECT max(id) FROM edge)
    WHEN 'xattr' THEN (SELECT max(node) FROM xattr)
    WHEN 'atime' THEN (SELECT max(node) FROM atime)
    WHEN 'chunk' THEN (SELECT max(id) FROM chunk)
    WHEN 'reclaim' THEN (SELECT max(id) FROM reclaim)
    WHEN 'delta' THEN (SELECT max(id) FROM delta)
END;
-- name: reservation_insert
INSERT INTO reservation (kind, next) VALUES (?, ?);
-- name: reservation_set
INSERT OR REPLACE INTO reservation (kind, next) VALUES (?, ?);

-- name: begin
BEGIN IMMEDIATE;
-- name: commit
COMMIT;
-- name: rollback
ROLLBACK;

-- name: compact_into
VACUUM INTO ?;
