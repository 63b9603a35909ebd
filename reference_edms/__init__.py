"""A small, real Django EDMS: what the demo and the tests back up, destroy and bring back.

The folder is a Django project of its own: it runs with this folder first on the import path, as
``manage.py`` arranges, and nothing outside it imports from it.
"""
