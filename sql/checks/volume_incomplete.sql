-- Every volume has counters, and every encrypted one a key slot; neither stands alone.
SELECT v.name AS volume FROM volume AS v LEFT JOIN counter AS c ON c.volume = v.id WHERE c.volume IS NULL
UNION ALL
SELECT v.name FROM volume AS v WHERE v.encrypted = 1 AND NOT EXISTS (SELECT 1 FROM key_slot AS k WHERE k.volume = v.id)
UNION ALL
SELECT 'id ' || c.volume FROM counter AS c LEFT JOIN volume AS v ON v.id = c.volume WHERE v.id IS NULL
UNION ALL
SELECT 'id ' || k.volume FROM key_slot AS k LEFT JOIN volume AS v ON v.id = k.volume WHERE v.id IS NULL;
