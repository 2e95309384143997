-- Every volume's root exists in that volume, and no edge leads to it.
SELECT v.root AS node FROM volume AS v LEFT JOIN node AS n ON n.id = v.root AND n.volume = v.id WHERE n.id IS NULL
UNION ALL
SELECT v.root FROM volume AS v JOIN edge AS e ON e.child = v.root;
