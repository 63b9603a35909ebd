"""Natural keys: checked on the rows, and tabulated for the references to them."""
