"""The values that masked columns held, as the search for them needs them; and those that are too short to be searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from edms_tasks.masking.rules import SHORTEST, SearchRules
from edms_tasks.masking.spellings import FOLDED, folded
from edms_tasks.quoting import literal

ORIGINALS = "mask_originals"
"""Table: `id`, `value` (folded), `anchor` (its most telling word), `whole` (only as whole words), `is_date`."""
EXACT_FROM = 8
"""Characters that a value needs to be searched for in columns of numbers: shorter ones are equal by chance."""
WORDS = r"[\p{L}\p{N}]+"
LONGEST_ANCHOR = 64
_AS_WHOLE_WORDS = 8  # shorter values are parts of other words by chance
_FEWEST_DIGITS = 6  # shorter numbers occur everywhere
_WITHOUT_SPACES = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Scripts in which words have no ends that can be seen."""


@dataclass(frozen=True)
class OriginalColumn:
    """The values of a masked column: Parquet files with `value` and `prose`: whether it is free text, not what identifies somebody."""

    label: str  # users.User.email
    files: tuple[Path, ...]
    is_date: bool


@dataclass(frozen=True)
class Searchable:
    """How many different values are searched for everywhere; of each column how many are searched for in texts only, and how many not."""

    values: int
    too_short: Mapping[str, int]
    not_personal: int
    only_in_texts: Mapping[str, int] = field(default_factory=dict)


def collect_originals(
    cursor: duckdb.DuckDBPyConnection, columns: Sequence[OriginalColumn], rules: SearchRules
) -> Searchable:
    """Make the table of what is searched for, in the workspace of the cursor."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {ORIGINALS}_of (label VARCHAR, value VARCHAR, is_date BOOLEAN, anchor VARCHAR, searched BOOLEAN)"
    )
    ignored = ", ".join(literal(folded(word)) for word in rules.not_personal)
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
                length(value) >= CASE WHEN prose THEN {rules.minimum_text_length} ELSE {rules.minimum_length} END
                AND anchor IS NOT NULL
                AND (length(value) >= {_FEWEST_DIGITS} OR NOT regexp_full_match(value, '[0-9]+'))
            FROM (
                SELECT value, prose, {telling} AS anchor
                FROM (
                    SELECT regexp_replace({FOLDED}(value), '^(-?[0-9]+)\\.0+$', '\\1') AS value, bool_and(prose) AS prose
                    FROM (SELECT value, bool_and(prose) AS prose FROM read_parquet([{source}]) GROUP BY value)
                    GROUP BY 1
                )
                WHERE value <> ''
            )
            """
        )
    ((not_personal,),) = cursor.sql(
        f"SELECT count(DISTINCT value) FROM {ORIGINALS}_of WHERE NOT ({personal})"
    ).fetchall()
    # A UUID is searched for with and without dashes: SQLite's columns have none, and texts have them.
    dashed = "concat_ws('-', value[1:8], value[9:12], value[13:16], value[17:20], value[21:32])"
    cursor.execute(
        f"""
        CREATE OR REPLACE TABLE {ORIGINALS} AS
        SELECT row_number() OVER () AS id, value, any_value(anchor) AS anchor,
            length(value) < {_AS_WHOLE_WORDS} AND NOT regexp_matches(value, '{_WITHOUT_SPACES}') AS whole, bool_and(is_date) AS is_date
        FROM (
            SELECT value, anchor, is_date
            FROM {ORIGINALS}_of
            WHERE searched AND {personal}
            UNION ALL
            SELECT {dashed}, value[21:32], false
            FROM {ORIGINALS}_of
            WHERE searched AND {personal} AND regexp_full_match(value, '[0-9a-f]{{32}}')
            UNION ALL
            SELECT replace(value, '-', ''), replace(value, '-', ''), false
            FROM {ORIGINALS}_of
            WHERE searched AND {personal} AND regexp_full_match(value, '[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}')
        )
        GROUP BY value
        """
    )
    only_in_texts = f"(is_date OR (length(value) < {EXACT_FROM} AND regexp_full_match(value, '-?[0-9]+(\\.[0-9]+)?')))"
    ((values,),) = cursor.sql(
        f"SELECT count(DISTINCT value) FROM {ORIGINALS}_of WHERE searched AND {personal} AND NOT {only_in_texts}"
    ).fetchall()
    short = _by_column(cursor, f"NOT searched AND {personal}")
    in_texts = _by_column(cursor, f"searched AND {personal} AND {only_in_texts}")
    cursor.execute(f"DROP TABLE {ORIGINALS}_of")
    return Searchable(int(values), short, int(not_personal), in_texts)


def _by_column(cursor: duckdb.DuckDBPyConnection, which: str) -> dict[str, int]:
    found = cursor.sql(
        f"SELECT label, count(*) FROM {ORIGINALS}_of WHERE {which} GROUP BY label ORDER BY label"
    ).fetchall()
    return {str(label): int(count) for label, count in found}


def _longest(words: str) -> str:
    """SQL of the longest word that is long enough to be searched for."""
    long = f"list_filter({words}, lambda word: length(word) >= {SHORTEST})"
    return f"list_max(list_transform({long}, lambda word: {{'length': length(word), 'word': word}})).word"
