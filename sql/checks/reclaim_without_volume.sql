-- What waits to be reclaimed belongs to a volume that exists.
SELECT r.id AS reclaim FROM reclaim AS r LEFT JOIN volume AS v ON v.id = r.volume WHERE v.id IS NULL;
