-- All data belongs to a chunk.
SELECT d.id AS chunk FROM chunk_data AS d INDEXED BY chunk_data_by_generation
LEFT JOIN chunk AS c ON c.id = d.id WHERE c.id IS NULL;
