"""Convert one column to the other engine and back, as DuckDB SQL over the columns of chunks.

Validation converts back: the loaded rows are read, converted into the snapshot's form, and compared with the snapshot's
digest. So a value is compatible only if it is restored unchanged, or in the spelling that Django would write on the
snapshot's engine. `incompatible` finds the others before anything is loaded. Columns that the database computes are
neither converted nor compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.conversion.conversion_types import Columns, Form, Incompatible
from edms_tasks.conversion.kinds import ValueKind, kind_of
from edms_tasks.conversion.storage_classes import KIND_OF, Classes, classes_of, in_form, normal_form


@dataclass(frozen=True)
class Conversion:
    """How one column of a snapshot is converted.

    Args:
        source: the snapshot's engine.
        columns: the column in both engines.
        form: the column's form in the snapshot's chunks.
    """

    source: str
    columns: Columns
    form: Form

    @property
    def name(self) -> str:
        """The column's name, the same in both engines."""
        return self.columns.sqlite.name

    @property
    def kind(self) -> ValueKind | None:
        """The kind of its values; None if no kind is known in both engines."""
        return kind_of(self.columns.postgresql.native_type)

    @property
    def computed(self) -> bool:
        """Whether both engines compute the column themselves; such values are neither converted nor compared."""
        return self.columns.sqlite.generated and self.columns.postgresql.generated

    @property
    def converted_form(self) -> Form:
        """The form of `convert`'s result."""
        if self.kind is None:
            return Form("native", "VARCHAR")
        return self.kind.form if self.source == "sqlite" else Form("native", KIND_OF[self.kind.storage])

    def convert(self, column: str) -> str:
        """SQL of the value in the other engine; meant for values that are not `incompatible`."""
        if self.kind is None:
            return "CAST(NULL AS VARCHAR)"
        if self.source == "sqlite":
            return self.kind.to_postgresql(self._classes(column, self.form), self.columns).expression
        return self.kind.to_sqlite(self._typed(column, self.form), self.columns).expression

    def convert_back(self, column: str, form: Form) -> str:
        """SQL that converts the column, as read from the other engine in `form`, back into the snapshot's form."""
        if self.kind is None or self.computed:
            return f"CAST(NULL AS {self.form.kind})"
        if self.source == "postgresql":
            made = self.kind.to_postgresql(self._classes(column, form), self.columns).expression
            if self.form.encoding == "text" and self.kind.by_cast is not None:
                made = self.kind.by_cast(f"({made})")
            return f"CAST({made} AS VARCHAR)" if self.form.kind == "VARCHAR" else made
        value = self._typed(column, form)
        if self.kind.canonical is not None:
            return self.kind.canonical(value)
        return in_form(self.kind.to_sqlite(value, self.columns).expression, self.kind.storage, self.form)

    def expected(self, column: str) -> str:
        """SQL of the expected value: the snapshot's, or Django's spelling of it if that differs."""
        if self.kind is not None and self.kind.canonical is not None and self._canonically():
            return self.kind.canonical(self._classes(column, self.form).text)
        return self.convert_back(f"({self.convert(column)})", self.converted_form)

    def incompatible(self, column: str, converted: str) -> tuple[Incompatible, ...]:
        """Conditions for incompatible values, the most specific first; `converted` is SQL of the value as `convert` made it."""
        filled = f"{column} IS NOT NULL"
        if self.computed:
            return (Incompatible("false", ""),)
        if self.kind is None:
            pair = f"{self.columns.sqlite.native_type or 'no type'} and {self.columns.postgresql.native_type}"
            return (Incompatible(filled, f"has no known form in the other engine ({pair})"),)
        if self.source == "sqlite":
            known = self.kind.to_postgresql(self._classes(column, self.form), self.columns).incompatible
        else:
            value = self._typed(column, self.form)
            unread = Incompatible(
                f"{filled} AND {value} IS NULL", "is outside the years 1 to 9999 that Python supports"
            )
            known = (unread, *self.kind.to_sqlite(value, self.columns).incompatible)
        target = self.columns.postgresql if self.source == "sqlite" else self.columns.sqlite
        required = (
            () if target.nullable else (Incompatible(f"{column} IS NULL", "is NULL, but the column is NOT NULL"),)
        )
        lost = Incompatible(f"{filled} AND {converted} IS NULL", f"is no {self.kind.name}")
        if self._canonically():
            return (*known, *required, lost)
        back = self.convert_back(converted, self.converted_form)
        # Most kinds have one spelling for each value: one that is restored differently is another value.
        original = column
        if self.source == "sqlite":
            original = normal_form(self._classes(column, self.form), self.kind.storage, self.form)
        other = f"{back} IS NULL" if self.kind.has_spellings else f"{back} IS DISTINCT FROM {original}"
        return (*known, *required, lost, Incompatible(f"{filled} AND {other}", "would not be restored unchanged"))

    def respelled(self, column: str, converted: str) -> str:
        """SQL: whether a compatible value is restored in another spelling."""
        if self._canonically():
            return f"{column} IS NOT NULL"  # the canonical form is never a spelling of either engine
        return (
            f"({column} IS NOT NULL AND {self.convert_back(converted, self.converted_form)} IS DISTINCT FROM {column})"
        )

    def _canonically(self) -> bool:
        """Whether values are compared by meaning, in the kind's canonical form."""
        return (
            self.source == "sqlite" and not self.computed and self.kind is not None and self.kind.canonical is not None
        )

    def _classes(self, column: str, form: Form) -> Classes:
        return classes_of(column, form, self.columns.sqlite.native_type)

    def _typed(self, column: str, form: Form) -> str:
        """PostgreSQL's value in its kind's form; a chunk may store it as text."""
        assert self.kind is not None  # every caller has checked it
        if form.kind != self.kind.form.kind and form.kind == "VARCHAR" and self.kind.from_text is not None:
            return self.kind.from_text(column)
        return column
