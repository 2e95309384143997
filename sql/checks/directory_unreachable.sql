-- Every node that has a name is reached from its volume's root: no directory lies within itself.
WITH RECURSIVE reached (node) AS (
    -- Of all that is reached, only what has names within leads on.
    SELECT root FROM volume
    UNION
    SELECT e.child FROM reached AS r JOIN edge AS e INDEXED BY edge_by_parent ON e.parent = r.node
    WHERE EXISTS (SELECT 1 FROM edge AS i INDEXED BY edge_by_parent WHERE i.parent = e.child)
)
SELECT DISTINCT e.child AS node FROM edge AS e
WHERE e.parent NOT IN (SELECT node FROM reached)
  AND NOT EXISTS (
      SELECT 1 FROM edge AS o INDEXED BY edge_by_child
      WHERE o.child = e.child AND o.parent IN (SELECT node FROM reached)
  )
  AND e.child NOT IN (SELECT root FROM volume)
  AND EXISTS (SELECT 1 FROM node AS n WHERE n.id = e.child);
