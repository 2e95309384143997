-- Every chunk's key domain is that of some volume.
SELECT c.id AS chunk FROM chunk AS c WHERE c.domain NOT IN (SELECT v.domain FROM volume AS v);
