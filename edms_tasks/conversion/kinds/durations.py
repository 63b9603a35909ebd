"""DurationField: microseconds in SQLite, interval in PostgreSQL. This module reads and writes PostgreSQL's text.

Django writes an interval as days and a time of day that is never negative: -1 µs is `-1 days +23:59:59.999999`.
Arithmetic in the database can give another spelling of the same duration, such as `25:00:00`.
"""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_DAY = 86_400_000_000  # microseconds
_INTERVAL = r"(-?[0-9]+ days?)?( ?[+-]?[0-9]+:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?"


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The interval as PostgreSQL's text, as Django would have written it."""
    micros = f"CAST({value.integer} AS HUGEINT)"
    rest = f"((({micros} % {_DAY}) + {_DAY}) % {_DAY})"
    days = f"CAST(({micros} - {rest}) // {_DAY} AS BIGINT)"
    seconds = f"CAST({rest} // 1000000 AS BIGINT)"
    clock = f"printf('%02d:%02d:%02d', {seconds} // 3600, {seconds} // 60 % 60, {seconds} % 60)"
    fraction = f"rtrim(printf('.%06d', CAST({rest} % 1000000 AS BIGINT)), '0.')"
    counted = f"CAST({days} AS VARCHAR) || CASE {days} WHEN 1 THEN ' day' ELSE ' days' END"
    return Converted(
        f"CASE WHEN {value.integer} IS NULL THEN NULL "
        f"WHEN {days} = 0 THEN {clock} || {fraction} "
        f"WHEN {rest} = 0 THEN {counted} "
        f"ELSE {counted} || CASE WHEN {days} < 0 THEN ' +' ELSE ' ' END || {clock} || {fraction} END"
    )


def to_sqlite(value: str, columns: Columns) -> Converted:
    """Microseconds. Months and years are incompatible, because they have no fixed length."""
    known = f"(regexp_full_match({value}, '{_INTERVAL}') AND {value} <> '')"
    days = f"coalesce(TRY_CAST(regexp_extract({value}, '(-?[0-9]+) day', 1) AS HUGEINT), 0)"
    clock = r"([+-]?)([0-9]+):([0-9]{2}):([0-9]{2})(\.[0-9]+)?$"

    def part(number: int) -> str:
        return f"regexp_extract({value}, '{clock}', {number})"

    whole = " + ".join(
        f"coalesce(TRY_CAST({part(number)} AS HUGEINT), 0) * {size}"
        for number, size in ((2, 3_600_000_000), (3, 60_000_000), (4, 1_000_000))
    )
    fraction = f"coalesce(TRY_CAST(rpad(substr({part(5)}, 2), 6, '0') AS HUGEINT), 0)"
    sign = f"CASE {part(1)} WHEN '-' THEN -1 ELSE 1 END"
    micros = f"({days} * {_DAY} + {sign} * ({whole} + {fraction}))"
    return Converted(
        f"CASE WHEN {known} THEN TRY_CAST({micros} AS BIGINT) END",
        (
            Incompatible(f"NOT {known}", "counts months or years, which have no fixed length"),
            Incompatible(f"TRY_CAST({micros} AS BIGINT) IS NULL", "is longer than 64 bits of microseconds"),
        ),
    )
