-- Both ends of an edge are in one volume.
SELECT e.id AS edge, e.child AS node FROM edge AS e JOIN node AS p ON p.id = e.parent JOIN node AS c ON c.id = e.child
WHERE p.volume <> c.volume;
