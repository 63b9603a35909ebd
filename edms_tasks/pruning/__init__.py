"""Prune: remove snapshots that no rule keeps, and the objects that only they name.

`prune_plan.py` decides about every snapshot and removes nothing, `carry_out.py` removes, `mark_snapshots.py` makes holds and tags.
"""
