-- Every chunk has data.
SELECT c.id AS chunk FROM chunk AS c
WHERE c.id NOT IN (SELECT +d.id FROM chunk_data AS d INDEXED BY chunk_data_by_generation);
