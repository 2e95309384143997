-- Every delta belongs to a node that exists.
SELECT d.id AS delta, d.node AS node FROM delta AS d LEFT JOIN node AS n ON n.id = d.node WHERE n.id IS NULL;
