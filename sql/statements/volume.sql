-- name: volume_ids
SELECT id FROM volume ORDER BY id;
-- name: volume_by_id
SELECT id, uuid, name, root, domain, encrypted, generation, id_generation, chunk_size, dedupe, compression, epoch, created, sealed
FROM volume WHERE id = ?;
-- name: volume_by_name
SELECT id, uuid, name, root, domain, encrypted, generation, id_generation, chunk_size, dedupe, compression, epoch, created, sealed
FROM volume WHERE name = ?;
-- name: volume_insert
INSERT INTO volume
    (id, uuid, name, root, domain, encrypted, generation, id_generation, chunk_size, dedupe, compression, epoch, created, sealed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
-- name: volume_seal
UPDATE volume SET sealed = ? WHERE id = ?;

-- name: counter_get
SELECT generation, sealed FROM counter WHERE volume = ?;
-- name: counter_set
INSERT OR REPLACE INTO counter (volume, generation, sealed) VALUES (?, ?, ?);

-- name: key_slot_all
SELECT slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped
FROM key_slot WHERE volume = ? ORDER BY slot;
-- name: key_slot_insert
INSERT INTO key_slot
    (volume, slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: mount_clear
DELETE FROM mount;
-- name: mount_count
SELECT count(*) FROM mount;
-- name: mount_of_volume
SELECT id, generation, sealed FROM mount WHERE volume = ? ORDER BY id;
-- name: mount_insert
INSERT INTO mount (id, volume, generation, started, sealed) VALUES (?, ?, ?, ?, ?);
-- name: mount_set
UPDATE mount SET generation = ?, sealed = ? WHERE id = ?;
-- name: mount_delete
DELETE FROM mount WHERE id = ?;
