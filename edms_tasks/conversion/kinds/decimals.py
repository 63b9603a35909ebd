"""DecimalField: numeric(p, s) in PostgreSQL; in SQLite an integer or a double, of which Django reads 15 digits.

On SQLite Django writes the decimal as text, which SQLite turns into a number. Django reads that number rounded to 15
significant digits and to the field's decimal places (`get_decimalfield_converter`). A number with more digits is
incompatible: it is not the number that Django shows, and nothing says which of the two is meant.
"""

from __future__ import annotations

import re

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_DIGITS = 15  # DBL_DIG: decimals of up to 15 digits survive conversion to a double and back
_PLACES_WITHOUT_SCALE = 15
_WIDEST = 38  # of DuckDB's decimals


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The decimal that Django reads, with the column's decimal places; NULL if SQLite's number has more digits."""
    precision, scale = _limits(columns)
    number = value.number
    read = f"format('{{:.{_DIGITS - 1}e}}', {number})"
    places = _PLACES_WITHOUT_SCALE if scale is None else min(scale, _WIDEST - _DIGITS)
    fixed = f"TRY_CAST({read} AS DECIMAL({_WIDEST}, {places}))"
    # Each decimal of 15 digits has its own double: the same double shows that no digits and no places were lost.
    whole = f"(TRY_CAST({read} AS DOUBLE) = {number} AND CAST({fixed} AS DOUBLE) = {number})"
    text = f"CAST({fixed} AS VARCHAR)"
    if scale is None:
        text = f"rtrim(rtrim({text}, '0'), '.')"
    elif scale > places:
        text = f"{text} || '{'0' * (scale - places)}'" if places else f"{text} || '.{'0' * scale}'"
    beyond = f"abs({number}) >= 1e{precision - (scale or 0)}" if precision is not None else "false"
    return Converted(
        f"CASE WHEN {whole} AND NOT ({beyond}) THEN {text} END",
        (
            Incompatible(beyond, f"is out of range for {columns.postgresql.native_type}"),
            Incompatible(
                f"NOT coalesce({whole}, {value.integer} IS NULL)",
                f"has more digits than Django reads ({_DIGITS}), or more places than {columns.postgresql.native_type} keeps",
            ),
        ),
    )


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The nearest double. With at most 15 digits, Django reads exactly the same decimal from it."""
    _, scale = _limits(columns)
    plain = f"regexp_full_match({value}, '-?[0-9]+(\\.[0-9]+)?')"
    digits = f"rtrim(ltrim(regexp_replace({value}, '[-.]', '', 'g'), '0'), '0')"
    incompatible = [
        Incompatible(f"NOT {plain}", "is not a number that Django's decimals on SQLite support"),
        Incompatible(
            f"length({digits}) > {_DIGITS}", f"has more than the {_DIGITS} digits that Django reads on SQLite"
        ),
    ]
    if scale is None:
        incompatible.append(
            Incompatible(f"regexp_matches({value}, '\\.[0-9]*0$')", "ends with zeros that SQLite does not keep")
        )
    return Converted(f"CASE WHEN {plain} THEN TRY_CAST({value} AS DOUBLE) END", tuple(incompatible))


def _limits(columns: Columns) -> tuple[int | None, int | None]:
    """Precision and scale of numeric(p, s); (None, None) for a numeric without limits."""
    found = re.fullmatch(r"numeric\((\d+),(\d+)\)", columns.postgresql.native_type)
    return (int(found[1]), int(found[2])) if found else (None, None)
