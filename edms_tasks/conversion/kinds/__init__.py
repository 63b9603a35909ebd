"""What values are, by the type PostgreSQL has for them: one file for each kind, and here the list of them.

PostgreSQL's type says more than SQLite's: a `text` there may be JSON, a `bigint` a duration. A type that is not in the
list has no form in SQLite that Django would read, so its values are incompatible.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edms_tasks.conversion.forms import Columns, Converted, Form, StorageClass
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
    json_values,
    texts,
    times,
    uuids,
)
from edms_tasks.conversion.storage_classes import Classes


@dataclass(frozen=True)
class Kind:
    """How values of one kind go from one engine to the other.

    Args:
        name: ends the sentence "its value is no …".
        form: how PostgreSQL's values stand in a chunk.
        storage: the class SQLite keeps them in.
        to_postgresql: SQLite's value in `form`.
        to_sqlite: a value in `form` as one of `storage`.
        from_text: a value of PostgreSQL's that had to be carried as text, in `form`.
        has_spellings: whether values have several spellings, of which Django's own may come back for any other.
        by_cast: a value in `form` as a cast to text writes it, where that is another text.
        canonical: what of the value must come back where it comes back in another spelling; None: every byte.
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


def _text(name: str) -> Kind:
    return Kind(name, Form("native", "VARCHAR"), "text", texts.to_postgresql, texts.to_sqlite)


def _integer(kind: str) -> Kind:
    return Kind("whole number", Form("native", kind), "integer", integers.to_postgresql, integers.to_sqlite)


def _datetime(kind: str, from_text: Callable[[str], str]) -> Kind:
    made = Form("native", kind)
    return Kind("date and time", made, "text", datetimes.to_postgresql, datetimes.to_sqlite, from_text, True)


def _float(kind: str) -> Kind:
    return Kind("number", Form("native", kind), "real", floats.to_postgresql, floats.to_sqlite)


_WRITTEN = Form("output", "VARCHAR")

_KINDS = {
    "boolean": Kind(
        "boolean (0 or 1)", Form("native", "BOOLEAN"), "integer", booleans.to_postgresql, booleans.to_sqlite
    ),
    "smallint": _integer("SMALLINT"),
    "integer": _integer("INTEGER"),
    "bigint": _integer("BIGINT"),
    "real": _float("FLOAT"),
    "double precision": _float("DOUBLE"),
    "numeric": Kind("decimal", _WRITTEN, "real", decimals.to_postgresql, decimals.to_sqlite),
    "text": _text("text"),
    "character varying": _text("text"),
    "bytea": Kind("bytes", Form("native", "BLOB"), "blob", binary.to_postgresql, binary.to_sqlite),
    "uuid": Kind("UUID", _WRITTEN, "text", uuids.to_postgresql, uuids.to_sqlite, has_spellings=True),
    "inet": Kind(
        "IP address", _WRITTEN, "text", addresses.to_postgresql, addresses.to_sqlite, by_cast=addresses.by_cast
    ),
    "date": Kind("date", Form("native", "DATE"), "text", dates.to_postgresql, dates.to_sqlite, dates.from_text),
    "time without time zone": Kind(
        "time of day", _WRITTEN, "text", times.to_postgresql, times.to_sqlite, has_spellings=True
    ),
    "timestamp with time zone": _datetime("TIMESTAMP WITH TIME ZONE", datetimes.from_text),
    "timestamp without time zone": _datetime("TIMESTAMP", datetimes.from_text_without_zone),
    "interval": Kind("duration", _WRITTEN, "integer", durations.to_postgresql, durations.to_sqlite, has_spellings=True),
    "json": Kind("JSON", _WRITTEN, "text", json_values.to_postgresql, json_values.to_sqlite),
    "jsonb": Kind(
        "JSON", _WRITTEN, "text", json_values.to_postgresql, json_values.to_sqlite, canonical=json_values.canonical
    ),
}


def kind_of(native_type: str) -> Kind | None:
    """The kind of PostgreSQL's type; None where no kind is known."""
    return _KINDS.get(re.sub(r"\([^)]*\)", "", native_type).strip())
