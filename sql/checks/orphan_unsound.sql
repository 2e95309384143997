-- An orphan exists and has no name.
SELECT o.node AS node FROM orphan AS o LEFT JOIN node AS n ON n.id = o.node WHERE n.id IS NULL
UNION ALL
SELECT o.node FROM orphan AS o JOIN edge AS e ON e.child = o.node;
