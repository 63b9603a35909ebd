"""The values that masked columns held, as the search for them needs them; and those that are too short to be searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.masking.rules import SHORTEST, SearchRules
from edms_tasks.quoting import literal

ORIGINALS = "mask_originals"
"""Table: `id`, `value` (normalised), `anchor` (its most telling word), `whole` (only as whole words), `is_date`."""
WORDS = r"[\p{L}\p{N}]+"
LONGEST_ANCHOR = 64
_AS_WHOLE_WORDS = 8  # shorter values are parts of other words by chance
_FEWEST_DIGITS = 6  # shorter numbers occur everywhere


@dataclass(frozen=True)
class OriginalColumn:
    """The values of a masked column: Parquet files with `value`."""

    label: str  # users.User.email
    files: tuple[Path, ...]
    is_date: bool
    is_text: bool  # free text, and not what identifies somebody


@dataclass(frozen=True)
class Searchable:
    """How many different values are searched for, and for how many of each column that is impossible."""

    values: int
    too_short: Mapping[str, int]
    not_personal: int


def normalised(text: str) -> str:
    """SQL of a text without differences of case and of composed characters."""
    return f"lower(nfc_normalize({text}))"


def collect_originals(
    cursor: duckdb.DuckDBPyConnection, columns: Sequence[OriginalColumn], rules: SearchRules
) -> Searchable:
    """Make the table of what is searched for, in the workspace of the cursor."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {ORIGINALS}_of (label VARCHAR, value VARCHAR, is_date BOOLEAN, anchor VARCHAR, searched BOOLEAN)"
    )
    ignored = ", ".join(normalised(literal(word)) for word in rules.not_personal)
    personal = f"value NOT IN ({ignored})" if ignored else "true"
    for column in columns:
        if not column.files:
            continue
        source = ", ".join(literal(str(path)) for path in column.files)
        # Of an address of e-mail the part before the @ says more than the domain.
        words = f"regexp_extract_all(split_part(value, '@', 1) , '{WORDS}')"
        all_words = f"regexp_extract_all(value, '{WORDS}')"
        telling = f"coalesce({_longest(words)}, {_longest(all_words)})"
        cursor.execute(
            f"""
            INSERT INTO {ORIGINALS}_of
            SELECT {literal(column.label)}, value, {str(column.is_date).lower()}, left(anchor, {LONGEST_ANCHOR}),
                length(value) >= {rules.minimum_text_length if column.is_text else rules.minimum_length}
                AND anchor IS NOT NULL
                AND (length(value) >= {_FEWEST_DIGITS} OR NOT regexp_full_match(value, '[0-9]+'))
            FROM (
                SELECT value, {telling} AS anchor
                FROM (
                    SELECT DISTINCT {normalised("trim(value)")} AS value
                    FROM read_parquet([{source}])
                    WHERE trim(value) <> ''
                )
            )
            """
        )
    ((not_personal,),) = cursor.sql(
        f"SELECT count(DISTINCT value) FROM {ORIGINALS}_of WHERE NOT ({personal})"
    ).fetchall()
    cursor.execute(
        f"""
        CREATE OR REPLACE TABLE {ORIGINALS} AS
        SELECT row_number() OVER () AS id, value, any_value(anchor) AS anchor,
            length(value) < {_AS_WHOLE_WORDS} AS whole, bool_and(is_date) AS is_date
        FROM {ORIGINALS}_of
        WHERE searched AND {personal}
        GROUP BY value
        """
    )
    ((values,),) = cursor.sql(f"SELECT count(*) FROM {ORIGINALS}").fetchall()
    short = cursor.sql(
        f"SELECT label, count(*) FROM {ORIGINALS}_of WHERE NOT searched AND {personal} GROUP BY label ORDER BY label"
    ).fetchall()
    cursor.execute(f"DROP TABLE {ORIGINALS}_of")
    return Searchable(int(values), {str(label): int(count) for label, count in short}, int(not_personal))


def _longest(words: str) -> str:
    """SQL of the longest word that is long enough to be searched for."""
    long = f"list_filter({words}, lambda word: length(word) >= {SHORTEST})"
    return f"list_max(list_transform({long}, lambda word: {{'length': length(word), 'word': word}})).word"
