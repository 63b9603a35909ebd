"""Values as Django's serialisers write them, in the form in which each engine stores them: DuckDB SQL over a column of JSON.

What is no value of its column becomes NULL, so that no row of a million makes the database refuse all of them; the caller counts these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from edms_tasks.conversion.conversion_types import Columns
from edms_tasks.conversion.kinds import durations
from edms_tasks.conversion.storage_classes import Classes
from edms_tasks.inventory.model import Column, LogicalType
from edms_tasks.manifest import Encoding

_AS_DJANGO = "edms_json_as_django"
_AS_ARRAY = "edms_json_as_array"
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_OFFSET = r"(Z|[+-]\d{2}(:?\d{2}(:\d{2})?)?)?"
_NUMBER = r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,4})?"
_DURATION = r"(?:(-?\d+) )?(\d+):(\d{2}):(\d{2})(?:\.(\d{1,6}))?"
_ISO_DURATION = r"(-?)P(\d+)DT(\d+)H(\d+)M(\d+)(?:\.(\d{1,6}))?S"


@dataclass(frozen=True)
class StoredForm:
    """The SQL of a value in the form of an engine, NULL if it is none of the column's, and its encoding in Parquet."""

    expression: str
    encoding: Encoding


@contextmanager
def serialized_functions(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Register the functions that `stored_form` uses, for all cursors of a DuckDB database."""
    made = {_AS_DJANGO: _written_by_django, _AS_ARRAY: _postgresql_array}
    for name, function in made.items():
        connection.create_function(
            name, _over_batches(function), ["VARCHAR"], "VARCHAR", type=ARROW, null_handling=SPECIAL
        )
    try:
        yield
    finally:
        for name in made:
            connection.remove_function(name)


def stored_form(engine: str, column: Column, value: str, *, array_depth: int = 1) -> StoredForm:
    """The stored form of a column's value.

    Args:
        engine: the engine of the database.
        column: the column in its catalogue, with the model's logical type.
        value: SQL of the value, of DuckDB's type JSON.
        array_depth: of an array: 2 for lists of lists, of which Django writes the inner ones as texts.
    """
    scalar = f"(CASE WHEN json_type({value}) NOT IN ('ARRAY', 'OBJECT') THEN {value} ->> '$' END)"
    if engine == "sqlite":
        return StoredForm(_for_sqlite(column, value, scalar), "native")
    return StoredForm(f"CAST({_for_postgresql(column, value, scalar, array_depth)} AS VARCHAR)", "output")


def same_id(column: Column, text: str) -> str:
    """SQL of an id's text in one spelling: a UUID has dashes or none."""
    return f"replace(lower({text}), '-', '')" if column.logical_type == "uuid" else text


def _for_sqlite(column: Column, value: str, scalar: str) -> str:
    kind: LogicalType = column.logical_type
    if kind == "integer":
        sign = "[+]?" if "unsigned" in column.native_type.lower() else "[+-]?"
        return f"CASE WHEN regexp_full_match({scalar}, '{sign}\\d+') THEN TRY_CAST({scalar} AS BIGINT) END"
    if kind == "boolean":
        return f"CAST({_boolean(scalar)} AS BIGINT)"
    if kind in ("decimal", "float"):
        return _double(scalar)
    if kind == "json":
        return f"{_AS_DJANGO}(CAST({value} AS VARCHAR))"
    if kind == "uuid":
        return f"replace({_uuid(scalar)}, '-', '')"
    if kind == "date":
        return _date(scalar)
    if kind == "time":
        return _padded(_time(scalar), 15)
    if kind == "datetime":
        moment = f"CAST({_moment(scalar)} AS VARCHAR)"
        return _padded(f"regexp_replace({moment}, '\\+00$', '')", 26)
    if kind == "duration":
        return _micros(scalar)
    if kind == "binary":
        return f"TRY(from_base64({scalar}))"
    return scalar


def _for_postgresql(column: Column, value: str, scalar: str, array_depth: int) -> str:
    native = column.native_type
    base = re.sub(r"\([^)]*\)", "", native).strip()
    if base in ("smallint", "integer", "bigint"):
        return f"CASE WHEN regexp_full_match({scalar}, '[+-]?\\d+') THEN TRY_CAST({scalar} AS {base}) END"
    if base == "boolean":
        return _boolean(scalar)
    if base == "numeric":
        return _numeric(native, scalar)
    if base in ("real", "double precision"):
        return _double(scalar)
    if base in ("json", "jsonb"):
        text = f"CAST({value} AS VARCHAR)"
        return rf"CASE WHEN NOT regexp_matches({text}, '(^|[^\\])(\\\\)*\\u0000') THEN {text} END"
    if base == "uuid":
        return _uuid(scalar)
    if base == "date":
        return _date(scalar)
    if base == "time without time zone":
        return _time(scalar)
    if base == "timestamp with time zone":
        return _moment(scalar)
    if base == "timestamp without time zone":
        return f"CAST({_moment(scalar)} AS TIMESTAMP)"
    if base == "interval":
        return durations.to_postgresql(Classes("", integer=_micros(scalar)), Columns(column, column)).expression
    if base == "bytea":
        return f"'\\x' || lower(hex(TRY(from_base64({scalar}))))"
    if base.endswith("[]"):
        text = f"CASE json_type({value}) WHEN 'VARCHAR' THEN {value} ->> '$' ELSE CAST({value} AS VARCHAR) END"
        return f"{_AS_ARRAY}('{array_depth:d} ' || {text})"
    if base.endswith("range"):
        return _range(value)
    limit = re.search(r"\((\d+)\)", native)
    fits = f"NOT contains({scalar}, chr(0))" + (f" AND length({scalar}) <= {limit[1]}" if limit else "")
    return f"CASE WHEN {fits} THEN {scalar} END"


def _boolean(scalar: str) -> str:
    return (
        f"CASE lower({scalar}) WHEN 'true' THEN true WHEN '1' THEN true WHEN 'false' THEN false WHEN '0' THEN false END"
    )


def _double(scalar: str) -> str:
    known = f"regexp_full_match({scalar}, '{_NUMBER}|[+-]?(nan|NaN|inf|Infinity)')"
    return f"CASE WHEN {known} THEN TRY_CAST({scalar} AS DOUBLE) END"


def _numeric(native: str, scalar: str) -> str:
    """The decimal as text. PostgreSQL would round a value with too many decimals without a word.

    Django writes a zero with ten places as `0E-10`: its digits without zeros around them stand at the exponent's place.
    """
    found = re.search(r"\((\d+),(\d+)\)", native)
    fits = f"regexp_full_match({scalar}, '{_NUMBER}|NaN')"
    if found:
        precision, scale = int(found[1]), int(found[2])
        decimals = f"regexp_extract({scalar}, '\\.(\\d+)', 1)"
        digits = f"ltrim(regexp_extract({scalar}, '^[+-]?(\\d+)', 1) || {decimals}, '0')"
        power = f"coalesce(TRY_CAST(regexp_extract({scalar}, '[eE]([+-]?\\d+)$', 1) AS INTEGER), 0)"
        last = f"({power} - length({decimals}) + length({digits}) - length(rtrim({digits}, '0')))"
        first = f"(length(rtrim({digits}, '0')) + {last})"
        fits += f" AND ({digits} = '' OR ({last} >= {-scale} AND {first} <= {precision - scale}))"
    return f"CASE WHEN {fits} THEN {scalar} END"


def _uuid(scalar: str) -> str:
    return (
        f"CASE WHEN regexp_full_match(lower({scalar}), '[0-9a-f]{{32}}|[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}') "
        f"THEN lower({scalar}) END"
    )


def _date(scalar: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({scalar}, '{_DAY}') AND TRY_CAST({scalar} AS DATE) IS NOT NULL THEN {scalar} END"
    )


def _time(scalar: str) -> str:
    whole = f"CASE WHEN length({scalar}) = 5 THEN {scalar} || ':00' ELSE {scalar} END"
    return f"CASE WHEN regexp_full_match({scalar}, '{_CLOCK}') THEN {whole} END"


def _moment(scalar: str) -> str:
    """A TIMESTAMPTZ. A time without an offset is taken as UTC."""
    known = f"regexp_full_match({scalar}, '{_DAY}([T ]{_CLOCK} ?{_OFFSET})?')"
    zoned = f"CASE WHEN regexp_matches({scalar}, '[T ].*(Z|[+-]\\d\\d(:?\\d\\d)*)$') THEN {scalar} ELSE {scalar} || '+00' END"
    zoned = f"CASE WHEN length({scalar}) = 10 THEN {scalar} || ' 00:00:00+00' ELSE {zoned} END"
    return f"CASE WHEN {known} THEN TRY_CAST({zoned} AS TIMESTAMPTZ) END"


def _padded(text: str, length: int) -> str:
    """A time as Django writes it on SQLite: with six decimals or none."""
    return f"CASE WHEN contains({text}, '.') THEN rpad({text}, {length}, '0') ELSE {text} END"


def _micros(scalar: str) -> str:
    def part(pattern: str, number: int, size: int) -> str:
        return f"coalesce(TRY_CAST(regexp_extract({scalar}, '^{pattern}$', {number}) AS HUGEINT), 0) * {size}"

    def fraction(pattern: str, number: int) -> str:
        return f"coalesce(TRY_CAST(rpad(regexp_extract({scalar}, '^{pattern}$', {number}), 6, '0') AS HUGEINT), 0)"

    sizes = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000)
    plain = (
        " + ".join(part(_DURATION, number, size) for number, size in enumerate(sizes, 1))
        + f" + {fraction(_DURATION, 5)}"
    )
    iso = " + ".join(part(_ISO_DURATION, number, size) for number, size in enumerate(sizes, 2))
    iso = f"(CASE WHEN starts_with({scalar}, '-') THEN -1 ELSE 1 END) * ({iso} + {fraction(_ISO_DURATION, 6)})"
    return (
        f"TRY_CAST(CASE WHEN regexp_full_match({scalar}, '{_DURATION}') THEN {plain} "
        f"WHEN regexp_full_match({scalar}, '{_ISO_DURATION}') THEN {iso} END AS BIGINT)"
    )


def _range(value: str) -> str:
    """A range as PostgreSQL writes it, from Django's `{"lower": …, "upper": …, "bounds": "[)"}` or `{"empty": true}`."""
    document = (
        f"CAST(CASE json_type({value}) WHEN 'VARCHAR' THEN {value} ->> '$' ELSE CAST({value} AS VARCHAR) END AS JSON)"
    )

    def bound(name: str) -> str:
        return f"coalesce('\"' || ({document} ->> '$.{name}') || '\"', '')"

    bounds = f"({document} ->> '$.bounds')"
    return (
        f"CASE WHEN ({document} ->> '$.empty') = 'true' THEN 'empty' WHEN length({bounds}) = 2 "
        f"THEN {bounds}[1] || {bound('lower')} || ',' || {bound('upper')} || {bounds}[2] END"
    )


def _written_by_django(text: str) -> str | None:
    """A document as Django's JSONField writes it on SQLite."""
    try:
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _postgresql_array(text: str) -> str | None:
    """A list of JSON, behind the number of lists around a value, as an array of PostgreSQL."""
    depth, _, written = text.partition(" ")
    try:
        value = _with_inner_lists(json.loads(written), int(depth))
    except (ValueError, RecursionError):
        return None
    return _array_text(value) if isinstance(value, list) else None


def _with_inner_lists(value: object, depth: int) -> object:
    if depth and isinstance(value, str):
        value = json.loads(value)
    if depth and isinstance(value, list):
        return [_with_inner_lists(one, depth - 1) for one in value]
    return value


def _array_text(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "{" + ",".join(map(_array_text, value)) + "}"
    text = value if isinstance(value, str) else json.dumps(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _over_batches(function: Callable[[str], str | None]) -> Callable[[pa.Array], pa.Array]:
    def over(column: pa.Array) -> pa.Array:
        return pa.array([None if text is None else function(text) for text in column.to_pylist()], pa.string())

    return over
