"""The types of a conversion: the form of values in a chunk, what they become, and which are incompatible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edms_tasks.inventory.model import Column
from edms_tasks.manifest import Encoding

StorageClass = Literal["integer", "real", "text", "blob"]
"""SQLite's own types: each value has one, whatever its column is declared as."""


@dataclass(frozen=True)
class Form:
    """How a column's values stand in Parquet: the encoding of docs/format.md, and the DuckDB type."""

    encoding: Encoding
    kind: str


@dataclass(frozen=True)
class Incompatible:
    """A condition on a row, as SQL, under which its value has no equal in the other engine, and why.

    The reason ends the sentence "its value …".
    """

    condition: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """SQL for the value in the other engine, and the conditions under which it has none there.

    Where it is NULL for a value, that value is incompatible too.
    """

    expression: str
    incompatible: tuple[Incompatible, ...] = ()


@dataclass(frozen=True)
class Columns:
    """One column in both engines."""

    sqlite: Column
    postgresql: Column

    @property
    def unsigned(self) -> bool:
        """Whether Django declared it for positive numbers only."""
        return "unsigned" in self.sqlite.native_type.lower()
