"""SQLite's values by storage class: read from a chunk's column, and written back into a chunk's form.

In SQLite each value has its own type. A chunk stores a column as one Parquet type if all values are of one class, and
tagged if they are not (docs/format.md, §5.1 and §5.3). `Classes` hides the difference: it has one expression for each
class, NULL for values of the other classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.conversion.conversion_types import Form, StorageClass
from edms_tasks.databases.sqlite.catalogue import affinity

_NOTHING = {
    "integer": "CAST(NULL AS BIGINT)",
    "real": "CAST(NULL AS DOUBLE)",
    "text": "CAST(NULL AS VARCHAR)",
    "blob": "CAST(NULL AS BLOB)",
}
_CLASS_OF = {"BIGINT": "integer", "DOUBLE": "real", "VARCHAR": "text", "BLOB": "blob"}
KIND_OF: dict[StorageClass, str] = {"integer": "BIGINT", "real": "DOUBLE", "text": "VARCHAR", "blob": "BLOB"}
_WHOLE_IN_DOUBLE = 2**53


@dataclass(frozen=True)
class Classes:
    """A column's values, one SQL expression for each storage class."""

    column: str
    integer: str = _NOTHING["integer"]
    real: str = _NOTHING["real"]
    text: str = _NOTHING["text"]
    blob: str = _NOTHING["blob"]
    unreadable: str = "false"  # whether the value is text that is not valid UTF-8

    @property
    def number(self) -> str:
        """Integers and reals as doubles; NULL for an integer that no double equals."""
        whole = f"CAST({self.integer} AS DOUBLE)"
        return f"coalesce({self.real}, CASE WHEN TRY_CAST({whole} AS BIGINT) = {self.integer} THEN {whole} END)"


def classes_of(column: str, form: Form, native_type: str) -> Classes:
    """The values of a chunk's column by storage class.

    Args:
        column: SQL of the column.
        form: the column's form in the chunk.
        native_type: the column's declared type in SQLite; it decides the class of a whole number in a column of doubles.
    """
    if form.encoding == "tagged":
        return _tagged(column)
    if form.kind == "DOUBLE" and affinity(native_type) in ("NUMERIC", "INTEGER"):
        whole = f"({column} = trunc({column}) AND abs({column}) <= {_WHOLE_IN_DOUBLE})"
        return Classes(
            column,
            integer=f"CASE WHEN {whole} THEN CAST({column} AS BIGINT) END",
            real=f"CASE WHEN NOT {whole} THEN {column} END",
        )
    return Classes(column, **{_CLASS_OF[form.kind]: column})


def in_form(value: str, storage: StorageClass, form: Form) -> str:
    """A value of storage class `storage` in a chunk's form; NULL if the form cannot store it."""
    if form.encoding == "tagged":
        return f"CASE WHEN {value} IS NOT NULL THEN {_tag(value, storage)} END"
    if KIND_OF[storage] == form.kind:
        return value
    if storage == "real" and form.kind == "BIGINT":
        return f"CASE WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS BIGINT) END"
    return f"TRY_CAST({value} AS {form.kind})"


def normal_form(value: Classes, storage: StorageClass, form: Form) -> str:
    """The column with all values tagged as one class, because equal values may have different tags: `i5` and `r5.0` are one decimal."""
    if form.encoding != "tagged":
        return value.column
    ours = {"integer": value.integer, "real": value.number, "text": value.text, "blob": value.blob}
    return in_form(f"({ours[storage]})", storage, form)


def _tagged(column: str) -> Classes:
    letter, rest = f"left({column}, 1)", f"substr({column}, 2)"
    text = f"CASE WHEN {letter} = 't' THEN TRY(decode(unhex({rest}))) END"
    return Classes(
        column,
        integer=f"CASE WHEN {letter} = 'i' THEN TRY_CAST({rest} AS BIGINT) END",
        real=f"CASE WHEN {letter} = 'r' THEN TRY_CAST({rest} AS DOUBLE) END",
        text=text,
        blob=f"CASE WHEN {letter} = 'b' THEN unhex({rest}) END",
        unreadable=f"({letter} = 't' AND {text} IS NULL)",
    )


def _tag(value: str, storage: StorageClass) -> str:
    if storage == "integer":
        return f"'i' || CAST({value} AS VARCHAR)"
    if storage == "text":
        return f"'t' || hex(encode({value}))"
    if storage == "blob":
        return f"'b' || hex({value})"
    digits = f"format('{{:.17g}}', {value})"
    spelled = f"CASE WHEN regexp_matches({digits}, '[.e]') THEN {digits} ELSE {digits} || '.0' END"
    # SQLite's printf writes 1.0e+20 where others write 1e+20.
    return f"'r' || regexp_replace({spelled}, '^(-?[0-9]+)e', '\\1.0e')"
