"""The types of a conversion: the form of values in a chunk, their converted SQL, and conditions for incompatible values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edms_tasks.inventory.model import Column
from edms_tasks.manifest import Encoding

StorageClass = Literal["integer", "real", "text", "blob"]
"""SQLite's storage classes: each value has its own, whatever type its column is declared with."""


@dataclass(frozen=True)
class Form:
    """The form of a column's values in Parquet: the encoding of docs/format.md, and the DuckDB type (`kind`)."""

    encoding: Encoding
    kind: str


@dataclass(frozen=True)
class Incompatible:
    """An SQL condition that is true for rows whose value has no equal in the other engine.

    `reason` completes the sentence "its value …".
    """

    condition: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """The SQL expression of the converted value, and the known conditions for incompatible values.

    A value for which the expression is NULL is incompatible too.
    """

    expression: str
    incompatible: tuple[Incompatible, ...] = ()


@dataclass(frozen=True)
class Columns:
    """A column as both engines define it."""

    sqlite: Column
    postgresql: Column

    @property
    def unsigned(self) -> bool:
        """Whether it belongs to one of Django's positive integer fields, which SQLite declares as unsigned."""
        return "unsigned" in self.sqlite.native_type.lower()
