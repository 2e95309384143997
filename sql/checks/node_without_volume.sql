-- Every node belongs to a volume that exists.
SELECT n.id AS node FROM node AS n LEFT JOIN volume AS v ON v.id = n.volume WHERE v.id IS NULL;
