"""Trees: tables whose rows are nodes, with their position in columns, as materialised paths or nested sets.

A position is a number that differs from system to system, like an id. `tree_kinds.py` recognises such tables; `label_paths.py`
replaces paths by names, `nested_sets.py` removes and computes the numbers of nested sets, `new_places.py` assigns paths to new
nodes.
"""
