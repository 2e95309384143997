-- No id in use is at or above what is reserved: it could be handed out again.
SELECT 'node ' || max(n.id) AS id FROM node AS n HAVING max(n.id) >= (SELECT next FROM reservation WHERE kind = 'node')
UNION ALL
SELECT 'edge ' || max(e.id) FROM edge AS e HAVING max(e.id) >= (SELECT next FROM reservation WHERE kind = 'edge')
UNION ALL
SELECT 'volume ' || max(v.id) FROM volume AS v HAVING max(v.id) >= (SELECT next FROM reservation WHERE kind = 'volume')
UNION ALL
SELECT 'mount ' || max(m.id) FROM mount AS m HAVING max(m.id) >= (SELECT next FROM reservation WHERE kind = 'mount')
UNION ALL
SELECT 'reclaim ' || max(r.id) FROM reclaim AS r HAVING max(r.id) >= (SELECT next FROM reservation WHERE kind = 'reclaim')
UNION ALL
SELECT 'delta ' || max(d.id) FROM delta AS d HAVING max(d.id) >= (SELECT next FROM reservation WHERE kind = 'delta');
