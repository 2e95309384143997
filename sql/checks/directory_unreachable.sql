-- Every node that has a name is reached from its volume's root: no directory lies within itself.
WITH RECURSIVE reached (node) AS (
    SELECT root FROM volume
    UNION
    SELECT e.child FROM reached AS r JOIN edge AS e INDEXED BY edge_by_parent ON e.parent = r.node
)
SELECT n.id AS node FROM node AS n
WHERE n.id NOT IN (SELECT node FROM reached) AND EXISTS (SELECT 1 FROM edge AS e WHERE e.child = n.id);
