"""Each module has models, `fill(names)` with the rows of a system, and `say()`, what its rows say by names instead of ids.

Some have `DECLARED` (soft references) and `KEYS` (natural keys) for the settings, `before()` and `after()` for what else the
database gets.
"""
