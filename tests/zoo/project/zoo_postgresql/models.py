"""The models of PostgreSQL's traits."""

from __future__ import annotations

from zoo.keepers import import_traits

EXTENSIONS = {"case_insensitive_text": "citext", "key_value_store": "hstore"}
"""Trait -> the extension it needs."""

TRAITS = import_traits("zoo_postgresql.traits", EXTENSIONS)
