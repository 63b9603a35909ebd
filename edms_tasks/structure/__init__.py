"""Everything in a database but its rows: definitions, sequences and properties, and what a restore leaves out."""
