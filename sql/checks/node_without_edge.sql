-- Every node has a name, is a root, or is an orphan.
SELECT n.id AS node FROM node AS n
WHERE NOT EXISTS (SELECT 1 FROM edge AS e WHERE e.child = n.id)
  AND NOT EXISTS (SELECT 1 FROM volume AS v WHERE v.root = n.id)
  AND NOT EXISTS (SELECT 1 FROM orphan AS o WHERE o.node = n.id);
