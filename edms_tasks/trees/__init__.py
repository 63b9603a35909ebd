"""Tables whose rows are the nodes of a tree, and keep their place in it in columns: materialised paths and nested sets.

Places are numbers of one system, like ids. `kinds.py` recognises such tables, `label_paths.py` says a node's place by names,
`places.py` gives nodes places in another tree, `checks.py` checks a whole tree as django-treebeard's find_problems() does.
"""
