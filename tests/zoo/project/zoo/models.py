"""The models of all traits; Django takes them for this app's own because the modules lie inside it."""

from __future__ import annotations

from zoo.keepers import import_traits

TRAITS = import_traits("zoo.traits", {})
