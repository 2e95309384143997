-- An orphan exists, has no name, and is no root.
SELECT o.node AS node FROM orphan AS o LEFT JOIN node AS n ON n.id = o.node WHERE n.id IS NULL
UNION ALL
SELECT o.node FROM orphan AS o JOIN edge AS e ON e.child = o.node
UNION ALL
SELECT o.node FROM orphan AS o JOIN volume AS v ON v.root = o.node;
