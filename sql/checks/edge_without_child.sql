-- Every edge leads to a node that exists.
SELECT e.id AS edge, e.child AS node FROM edge AS e LEFT JOIN node AS n ON n.id = e.child WHERE n.id IS NULL;
