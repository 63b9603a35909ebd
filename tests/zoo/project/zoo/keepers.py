"""How the traits' modules are found, and what they share: awkward texts, SQL as it stands, SQL by engine."""

from __future__ import annotations

import importlib
import os
import pkgutil
from types import ModuleType

AWKWARD = (
    "",
    " ",
    "é😀ﬀ\u202e",
    'it\'s "quoted", ["like","json"]',
    "per%cent %s {x} :y $1",
    "\\.",
    "\\N",
    "NULL",
    "line\nbreak\r\n\ttab",
    "x" * 300,
)


def import_traits(package: str, extensions: dict[str, str]) -> dict[str, ModuleType]:
    """Name -> module of every trait in a package, without those whose extension the server does not have."""
    offered = os.environ.get("ZOO_EXTENSIONS", "").split(",")
    found = importlib.import_module(package)
    names = sorted(module.name for module in pkgutil.iter_modules(found.__path__))
    return {
        name: importlib.import_module(f"{package}.{name}")
        for name in names
        if name not in extensions or extensions[name] in offered
    }


def execute(*statements: str) -> None:
    """Run SQL as it stands: percent signs mean themselves."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def by_engine(*, sqlite: tuple[str, ...], postgresql: tuple[str, ...]) -> tuple[str, ...]:
    """What holds for the engine this zoo stands on."""
    from django.db import connection

    return sqlite if connection.vendor == "sqlite" else postgresql
