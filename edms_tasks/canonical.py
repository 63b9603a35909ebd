"""The canonical text of a value and the digest of a table, as DuckDB SQL. `docs/format.md` specifies both.

A row's text joins its values, each as `<bytes>:<text>` and NULL as `-`, so no two different rows share a text. A
table's digest adds up the MD5 of its rows' texts, upper and lower half apart, modulo 2**64 each: the order of rows
does not matter, every row counts, a doubled row counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence

EMPTY_DIGEST = "0" * 32


def text_of(expression: str, kind: str) -> str:
    """The value's canonical text; NULL stays NULL. `kind` is its DuckDB type."""
    if kind == "BLOB":
        return f"lower(hex({expression}))"
    if kind == "VARCHAR":
        return expression
    return f"CAST({expression} AS VARCHAR)"


def row_text(texts: Sequence[str]) -> str:
    """One unambiguous text for a row of canonical texts."""
    if not texts:
        return "''"
    return " || ".join(f"coalesce(strlen({text}) || ':' || ({text}), '-')" for text in texts)


def digest_columns(row: str, name: str) -> str:
    """A projection that must be wrapped by `digest_sums`: the row's 128-bit hash as `name`."""
    return f"md5_number({row}) AS {name}"


def digest_sums(name: str) -> str:
    """Two aggregates, upper and lower half, that `digest_hex` turns into the digest."""
    half = "18446744073709551615"
    return (
        f"coalesce(sum(CAST({name} >> 64 AS UBIGINT)) % 18446744073709551616, 0), "
        f"coalesce(sum(CAST({name} & {half}::UHUGEINT AS UBIGINT)) % 18446744073709551616, 0)"
    )


def digest_hex(upper: int, lower: int) -> str:
    """32 hex digits."""
    return f"{int(upper):016x}{int(lower):016x}"
