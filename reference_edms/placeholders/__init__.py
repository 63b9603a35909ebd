"""Templates and the placeholders they are filled with."""
