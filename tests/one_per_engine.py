"""One system for each engine, made when a test first asks for it. The tests that share it must not change it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from tests.reference_system import EdmsTemplates, Engine, ReferenceEdmsFactory

_System = TypeVar("_System")


class OnePerEngine(Generic[_System]):
    """`systems("sqlite")`: the system of that engine.

    Args:
        name: of the folders and databases.
        make: makes a system from its engine, a factory of installations and a new folder.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Engine, ReferenceEdmsFactory, Path], _System],
        folders: pytest.TempPathFactory,
        templates: EdmsTemplates,
    ) -> None:
        self._name = name
        self._make = make
        self._folders = folders
        self._templates = templates
        self._made: dict[Engine, _System] = {}

    def __call__(self, engine: Engine) -> _System:
        """The system, made now or before."""
        if engine not in self._made:
            name = f"{self._name}_{engine}"
            folder = self._folders.mktemp(name)
            factory = ReferenceEdmsFactory(self._templates, folder / "installations", f"{name}_{os.getpid()}")
            self._made[engine] = self._make(engine, factory, folder)
        return self._made[engine]
