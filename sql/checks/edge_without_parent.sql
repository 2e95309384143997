-- Every edge hangs in a node that exists.
SELECT e.id AS edge, e.parent AS node FROM edge AS e LEFT JOIN node AS n ON n.id = e.parent WHERE n.id IS NULL;
