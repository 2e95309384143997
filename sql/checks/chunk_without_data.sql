-- Every chunk has data.
SELECT c.id AS chunk FROM chunk AS c LEFT JOIN chunk_data AS d ON d.id = c.id WHERE d.id IS NULL;
