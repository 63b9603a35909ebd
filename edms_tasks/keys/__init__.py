"""Natural keys: checked on the rows, and looked up by references."""
