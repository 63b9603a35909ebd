"""The structure of a database besides its rows: definitions, and what a restore left out."""
