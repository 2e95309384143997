-- No row began in an epoch that its volume has not reached.
SELECT n.id AS node FROM node AS n JOIN volume AS v ON v.id = n.volume WHERE n.since > v.epoch OR n.since < 1
UNION ALL
SELECT n.id FROM edge AS e JOIN node AS n ON n.id = e.parent JOIN volume AS v ON v.id = n.volume
WHERE e.since > v.epoch OR e.since < 1;
