"""The rows of ids: one relation for each column that soft references refer to, from id to natural key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.chunk_columns import ORPHAN
from edms_tasks.digests.value_equality import bare_if_uuid, bare_uuid
from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier
from edms_tasks.scratch.raw_table import RawTable

_FLOATING = {"DOUBLE", "FLOAT"}


@dataclass(frozen=True)
class Ids:
    """The rows that ids can refer to: a relation of `id` (normalised by `compared`) and `nk`."""

    relation: str
    is_uuid: bool
    caseless: bool

    def compared(self, text: str) -> str:
        """SQL: an id's text in the form for lookups: UUIDs without dashes and in lower case."""
        if self.is_uuid:
            return bare_uuid(text)
        return f"lower({text})" if self.caseless else bare_if_uuid(text, "VARCHAR")

    def join(self, alias: str, text: str) -> str:
        """SQL: the JOIN to the row that an id refers to, as `alias`."""
        return f"LEFT JOIN {self.relation} {alias} ON {alias}.id = {self.compared(text)}"


def tabulate_ids(
    cursor: duckdb.DuckDBPyConnection,
    target: Table,
    column: str,
    raw: RawTable,
    kinds: Mapping[str, str],
    *,
    rows: str,
    key: str,
) -> Ids:
    """Make the relation for a target's column; `rows` is its FROM clause with the rows as `t`, `key` their key's text."""
    held = target.column(column)
    caseless = held.native_type.rpartition(".")[2].lower() == "citext"
    ids = Ids(identifier(f"ids of {target.id}.{column}"), held.logical_type == "uuid", caseless)
    # If the column is not unique, one of the rows with the same value stands for all.
    cursor.execute(
        f"""
        CREATE OR REPLACE TABLE {ids.relation} AS
        SELECT {ids.compared("text")} AS id, min(nk) AS nk
        FROM (SELECT {id_text(target, column, raw, kinds, alias="t")} AS text, {key} AS nk FROM {rows})
        WHERE text IS NOT NULL
        GROUP BY 1
        """
    )
    return ids


def no_ids() -> Ids:
    """The relation for an excluded table: it has no ids."""
    nothing = "(SELECT CAST(NULL AS VARCHAR) AS id, CAST(NULL AS VARCHAR) AS nk WHERE false)"
    return Ids(nothing, is_uuid=False, caseless=False)


def id_text(table: Table, column: str, raw: RawTable, kinds: Mapping[str, str], *, alias: str = "") -> str:
    """SQL: a column's values as texts of ids: numbers without the trailing zeros of decimal types."""
    encoding = raw.encodings.get(column, "native")
    text = text_value(column, kinds[column], encoding, alias=alias)
    padded = f"contains({text}, '.')"
    if encoding == "tagged":
        padded = f"left({identifier(alias or None, column)}, 1) = 'r' AND {padded}"
    elif kinds[column] not in _FLOATING and table.column(column).logical_type != "decimal":
        return text
    return f"CASE WHEN {padded} THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"


def marked(alias: str, text: str) -> str:
    """SQL: the natural key of the row joined as `alias`, or the mark for an id without a row."""
    return f"coalesce({alias}.nk, '{ORPHAN}' || {json_text(text)} || '}}')"


def json_text(expression: str) -> str:
    """SQL: a text as a JSON string."""
    return f"CAST(to_json({expression}) AS VARCHAR)"


def together(texts: str, *, of: str = "true") -> str:
    """An aggregate: different texts, of the rows where `of` holds, as an array sorted by their bytes; NULL for none.

    Lists are sorted afterwards, because DuckDB keeps a sort for each group of an ordered aggregate, in memory that it cannot
    release.
    """
    return f"'[' || array_to_string(list_sort(list_distinct(list({texts}) FILTER ({of}))), ',') || ']'"
