"""Modules that are loaded at their first use.

Great Expectations imports scipy's statistics and altair for three expectations about distributions. Loading them takes a third of the
time of its import, in every restore, and hardly a suite uses them.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class DeferredModule(ModuleType):
    """A module in whose place the real one is loaded when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)  # a look at all modules is no use of this one
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def defer(*names: str) -> None:
    """Have these modules loaded at their first use, unless they are loaded already or not installed."""
    for name in names:
        if name not in sys.modules and (spec := find_spec(name)) is not None:
            module = DeferredModule(name)
            module.__spec__ = spec
            sys.modules[name] = module
