"""The chunks of a table: rows with their natural keys in the order of the proof, as they are written and read again."""
