"""The proof of a table's rows in format 2: rows in the order of the primary key, in blocks, with a SHA-256 for each column."""
