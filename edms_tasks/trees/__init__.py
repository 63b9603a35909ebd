"""Tables whose rows are the nodes of a tree, and keep their place in it in columns: materialised paths and nested sets.

Places are numbers of one system, like ids. `tree_kinds.py` recognises such tables, `label_paths.py` describes a node's place by names,
`new_places.py` assigns places in another tree with materialised paths and checks them as django-treebeard's find_problems() does,
`nested_sets.py` numbers nested sets as django-mptt's rebuild() does.
"""
