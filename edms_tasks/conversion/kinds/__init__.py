"""The kinds of values, by their PostgreSQL type. Each kind has a module here; `kind_of` finds it.

The PostgreSQL type is used because SQLite's says less: `text` in SQLite may be JSON, `bigint` a duration. The values of a
type that is not listed are incompatible, because SQLite has no form for them that Django would read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edms_tasks.conversion.conversion_types import Columns, Converted, Form, StorageClass
from edms_tasks.conversion.kinds import (
    addresses,
    binary,
    booleans,
    dates,
    datetimes,
    decimals,
    durations,
    floats,
    integers,
    json_documents,
    texts,
    times,
    uuids,
)
from edms_tasks.conversion.storage_classes import Classes


@dataclass(frozen=True)
class ValueKind:
    """How values of one kind are converted. The functions take and return SQL expressions.

    Args:
        name: completes the sentence "its value is no …".
        form: the form of PostgreSQL's values in a chunk.
        storage: the storage class of the values in SQLite.
        to_postgresql: converts an SQLite value to `form`.
        to_sqlite: converts a value in `form` to `storage`.
        from_text: converts a PostgreSQL value that a chunk stores as text to `form`.
        has_spellings: whether values have several spellings; a value may then be restored in Django's own spelling.
        by_cast: the text of a value in `form` as a cast writes it, if that differs from the type's output.
        canonical: the meaning of a value as text, compared if a value is restored in another spelling; None: compare every byte.
    """

    name: str
    form: Form
    storage: StorageClass
    to_postgresql: Callable[[Classes, Columns], Converted]
    to_sqlite: Callable[[str, Columns], Converted]
    from_text: Callable[[str], str] | None = None
    has_spellings: bool = False
    canonical: Callable[[str], str] | None = None
    by_cast: Callable[[str], str] | None = None


def _text(name: str) -> ValueKind:
    return ValueKind(name, Form("native", "VARCHAR"), "text", texts.to_postgresql, texts.to_sqlite)


def _integer(kind: str) -> ValueKind:
    return ValueKind("whole number", Form("native", kind), "integer", integers.to_postgresql, integers.to_sqlite)


def _datetime(kind: str, from_text: Callable[[str], str]) -> ValueKind:
    made = Form("native", kind)
    return ValueKind("date and time", made, "text", datetimes.to_postgresql, datetimes.to_sqlite, from_text, True)


def _float(kind: str) -> ValueKind:
    return ValueKind("number", Form("native", kind), "real", floats.to_postgresql, floats.to_sqlite)


_WRITTEN = Form("output", "VARCHAR")

_KINDS = {
    "boolean": ValueKind(
        "boolean (0 or 1)", Form("native", "BOOLEAN"), "integer", booleans.to_postgresql, booleans.to_sqlite
    ),
    "smallint": _integer("SMALLINT"),
    "integer": _integer("INTEGER"),
    "bigint": _integer("BIGINT"),
    "real": _float("FLOAT"),
    "double precision": _float("DOUBLE"),
    "numeric": ValueKind("decimal", _WRITTEN, "real", decimals.to_postgresql, decimals.to_sqlite),
    "text": _text("text"),
    "character varying": _text("text"),
    "bytea": ValueKind("bytes", Form("native", "BLOB"), "blob", binary.to_postgresql, binary.to_sqlite),
    "uuid": ValueKind("UUID", _WRITTEN, "text", uuids.to_postgresql, uuids.to_sqlite, has_spellings=True),
    "inet": ValueKind(
        "IP address", _WRITTEN, "text", addresses.to_postgresql, addresses.to_sqlite, by_cast=addresses.by_cast
    ),
    "date": ValueKind("date", Form("native", "DATE"), "text", dates.to_postgresql, dates.to_sqlite, dates.from_text),
    "time without time zone": ValueKind(
        "time of day", _WRITTEN, "text", times.to_postgresql, times.to_sqlite, has_spellings=True
    ),
    "timestamp with time zone": _datetime("TIMESTAMP WITH TIME ZONE", datetimes.from_text),
    "timestamp without time zone": _datetime("TIMESTAMP", datetimes.from_text_without_zone),
    "interval": ValueKind(
        "duration", _WRITTEN, "integer", durations.to_postgresql, durations.to_sqlite, has_spellings=True
    ),
    "json": ValueKind("JSON", _WRITTEN, "text", json_documents.to_postgresql, json_documents.to_sqlite),
    "jsonb": ValueKind(
        "JSON",
        _WRITTEN,
        "text",
        json_documents.to_postgresql,
        json_documents.to_sqlite,
        canonical=json_documents.canonical,
    ),
}


def kind_of(native_type: str) -> ValueKind | None:
    """The kind of a PostgreSQL type such as `numeric(10,2)`; None if it is not in the list."""
    return _KINDS.get(re.sub(r"\([^)]*\)", "", native_type).strip())
