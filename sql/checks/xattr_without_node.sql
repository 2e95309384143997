-- Every extended attribute and access time belongs to a node that exists.
SELECT x.node AS node FROM xattr AS x LEFT JOIN node AS n ON n.id = x.node WHERE n.id IS NULL
UNION ALL
SELECT a.node FROM atime AS a LEFT JOIN node AS n ON n.id = a.node WHERE n.id IS NULL;
