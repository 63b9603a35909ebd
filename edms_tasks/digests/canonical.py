"""The canonical text of a value and the digest of a table, as DuckDB SQL. `docs/format.md` specifies both.

A row's text joins its values, each as `<bytes>:<text>` and NULL as `-`, so no two different rows share a text. Values
that both digests of a row cover are hashed once, and that hash begins the two texts that are hashed for good. A table's
digest adds up its rows' hashes, upper and lower half apart, modulo 2**64 each: the order of rows does not matter, every
row counts, a doubled row counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence

EMPTY_DIGEST = "0" * 32
EXACT = '"@key:exact"'
CONTENT = '"@key:content"'
_COMMON = '"@key:common"'
_LOWER_HALF = "18446744073709551615::UHUGEINT"


def text_of(expression: str, kind: str) -> str:
    """The value's canonical text; NULL stays NULL. `kind` is its DuckDB type."""
    if kind == "BLOB":
        return f"lower(hex({expression}))"
    if kind == "VARCHAR":
        return expression
    return f"CAST({expression} AS VARCHAR)"


def json_array(parts: Sequence[str]) -> str:
    """One JSON array of parts that are JSON already."""
    return "'[' || " + " || ',' || ".join(parts) + " || ']'" if parts else "'[]'"


def row_text(texts: Sequence[str]) -> str:
    """One unambiguous text for a row of canonical texts."""
    return _concatenated("", texts)


def with_hashes(source: str, *, common: Sequence[str], exact: Sequence[str], content: Sequence[str]) -> str:
    """SELECT everything of a relation and each row's two hashes, `EXACT` and `CONTENT` (128 bits).

    Args:
        source: the relation.
        common: canonical texts that both digests cover.
        exact: those only the exact digest covers.
        content: those only the content digest covers.
    """
    begin = f"md5({row_text(common)})" if common else "''"
    return (
        f"SELECT * EXCLUDE ({_COMMON}), md5_number({_concatenated(_COMMON, exact)}) AS {EXACT}, "
        f"md5_number({_concatenated(_COMMON, content)}) AS {CONTENT} FROM (SELECT *, {begin} AS {_COMMON} FROM {source})"
    )


def halves(column: str) -> tuple[str, str]:
    """Upper and lower 64 bits of a hash column."""
    return f"CAST({column} >> 64 AS UBIGINT)", f"CAST({column} & {_LOWER_HALF} AS UBIGINT)"


def digest_sums(column: str) -> str:
    """Two aggregates, upper and lower half, that `digest_hex` turns into the digest."""
    return ", ".join(f"coalesce(sum({half}) % 18446744073709551616, 0)" for half in halves(column))


def digest_hex(upper: int, lower: int) -> str:
    """32 hex digits."""
    return f"{int(upper):016x}{int(lower):016x}"


def _concatenated(begin: str, texts: Sequence[str]) -> str:
    """One call with all parts: chained `||` would copy a long text once for each value that follows it."""
    parts = [begin] if begin else []
    for text in texts:
        # NULL has neither length nor text; `concat` leaves NULL arguments out.
        parts += [f"coalesce(strlen({text}) || ':', '-')", text]
    return f"concat({', '.join(parts)})" if parts else "''"
