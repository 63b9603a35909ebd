"""The canonical text of a value and the digest of a table, as DuckDB SQL. `docs/format.md` specifies both.

A row's text joins its values, each as `<bytes>:<text>` and NULL as `-`, so different rows have different texts. Values that both
digests of a row cover are hashed once; that hash begins the texts of both. A table's digest adds up the hashes of its rows, the
upper and the lower half separately modulo 2**64: the order of rows does not matter, every row counts, a doubled row counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence

EMPTY_DIGEST = "0" * 32
EXACT = '"@key:exact"'
CONTENT = '"@key:content"'
_COMMON = '"@key:common"'
_LOWER_HALF = "18446744073709551615::UHUGEINT"


def text_of(expression: str, kind: str) -> str:
    """SQL of a value's canonical text; NULL stays NULL. `kind` is its DuckDB type."""
    if kind == "BLOB":
        return f"lower(hex({expression}))"
    if kind == "VARCHAR":
        return expression
    return f"CAST({expression} AS VARCHAR)"


def json_array(parts: Sequence[str]) -> str:
    """SQL of a JSON array; the parts are SQL of JSON texts."""
    return "'[' || " + " || ',' || ".join(parts) + " || ']'" if parts else "'[]'"


def row_text(texts: Sequence[str]) -> str:
    """SQL of one unambiguous text for the canonical texts of a row."""
    return _concatenated("", texts)


def with_hashes(source: str, *, common: Sequence[str], exact: Sequence[str], content: Sequence[str]) -> str:
    """A SELECT of all columns of a relation, and each row's two hashes `EXACT` and `CONTENT` (128 bits).

    Args:
        source: the relation.
        common: canonical texts that both digests cover.
        exact: canonical texts that only the exact digest covers.
        content: canonical texts that only the content digest covers.
    """
    begin = f"md5({row_text(common)})" if common else "''"
    return (
        f"SELECT * EXCLUDE ({_COMMON}), md5_number({_concatenated(_COMMON, exact)}) AS {EXACT}, "
        f"md5_number({_concatenated(_COMMON, content)}) AS {CONTENT} FROM (SELECT *, {begin} AS {_COMMON} FROM {source})"
    )


def halves(column: str) -> tuple[str, str]:
    """SQL of the upper and the lower 64 bits of a hash column."""
    return f"CAST({column} >> 64 AS UBIGINT)", f"CAST({column} & {_LOWER_HALF} AS UBIGINT)"


def digest_sums(column: str) -> str:
    """SQL of two aggregates, the sums of the upper and lower halves, for `digest_hex`."""
    return ", ".join(f"coalesce(sum({half}) % 18446744073709551616, 0)" for half in halves(column))


def digest_hex(upper: int, lower: int) -> str:
    """The digest as 32 hex digits, from the sums of both halves."""
    return f"{int(upper):016x}{int(lower):016x}"


def _concatenated(begin: str, texts: Sequence[str]) -> str:
    """The row's text by one call of concat: chained `||` would copy a long text once for each value after it."""
    parts = [begin] if begin else []
    for text in texts:
        # `concat` leaves NULL arguments out, so NULL is only `-`.
        parts += [f"coalesce(strlen({text}) || ':', '-')", text]
    return f"concat({', '.join(parts)})" if parts else "''"
