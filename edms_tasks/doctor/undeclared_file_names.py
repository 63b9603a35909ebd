"""Suggest declarations for names of files that look like ids of a model: `originals/0000017.pdf`, by the rules of a merge."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from edms_tasks.doctor.assessment import Assessment, Declaration, assessed, declaration_text
from edms_tasks.doctor.model_ids import readable_targets
from edms_tasks.files import Examination
from edms_tasks.files.file_references import files_of_no_row
from edms_tasks.files.files_named_after_rows import add_files_named_after_values
from edms_tasks.files.outside_roots import OUTSIDE
from edms_tasks.files.path_mentions import label_of, mentioning_columns
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileRoot, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import literal
from edms_tasks.undeclared.collected_values import make_values
from edms_tasks.undeclared.ids_in_file_names import collect_file_names
from edms_tasks.undeclared.likely_ids import Suspect, find_suspects
from edms_tasks.undeclared.names_of_models import Names

_NAMES, _AFTER_VALUES = "undeclared_file_names", "named_after_values"
_FEWEST = 3  # different ids


def assess_undeclared_file_names(
    cursor: duckdb.DuckDBPyConnection, examination: Examination, keys: CheckedKeys, targets: Sequence[Table]
) -> list[Assessment]:
    """One suggestion for each pattern of names; the files must have been compared with the rows (`assess_files`).

    Args:
        cursor: the one that compared them.
        examination: of the rows and files.
        keys: the tables.
        targets: those of `tabulate_model_ids`.
    """
    make_values(cursor)
    _tabulate_names(cursor, examination)
    for root in examination.roots:
        collect_file_names(cursor, root.name, f"(SELECT below AS path FROM {_NAMES} WHERE root = {literal(root.name)})")
    suspects = find_suspects(cursor, targets, Names(targets, keys.tables))
    return [_assessment(one, targets) for one in suspects if len(one.examples) >= _FEWEST]


def _tabulate_names(cursor: duckdb.DuckDBPyConnection, examination: Examination) -> None:
    """Fill `_NAMES` with the files that no row names, by a path or by a text from which the name is made: `SOP-0017.docx`."""
    its = examination
    files = " UNION ALL ".join(_unnamed(its, root) for root in its.roots) or "SELECT '', '', ''::BLOB WHERE false"
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {_NAMES} AS SELECT *, true AS named, base || '/' || below AS path "
        f"FROM (SELECT root, base, try(decode(path)) AS below FROM ({files}) files(root, base, path)) WHERE below IS NOT NULL"
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_AFTER_VALUES} AS SELECT * FROM {OUTSIDE} LIMIT 0")
    columns = {label_of(table, column): (table, column) for table, column in mentioning_columns(its.tables, its.raws)}
    add_files_named_after_values(cursor, columns, its.raws, files=_NAMES, outside=_AFTER_VALUES)
    # An id may get another value in a merge, a text does not.
    texts = (
        f"SELECT path FROM {_AFTER_VALUES} WHERE NOT regexp_full_match(replace(value, '-', ''), '[0-9a-fA-F]{{16,}}')"
    )
    cursor.execute(f"DELETE FROM {_NAMES} WHERE path IN ({texts})")


def _unnamed(examination: Examination, root: FileRoot) -> str:
    """SELECT (root, base, path) of a root's files."""
    files = files_of_no_row(examination.tables, examination.raws, root, examination.declared)
    return f"SELECT {literal(root.name)}, {literal(root.path.rstrip('/'))}, path FROM ({files})"


def _assessment(suspect: Suspect, targets: Sequence[Table]) -> Assessment:
    root, _, pattern = suspect.place.name.partition(":")
    target = targets[suspect.targets[0]].label
    declaration = Declaration(
        section="soft_references", entries=(("files", root), ("name", pattern), ("target", target))
    )
    return assessed(
        make_finding(
            "ids-in-file-names",
            f"{root}:{pattern}",
            f"The names of files look like ids of {readable_targets(suspect, targets)}, and no row names these files.",
            count=suspect.hits,
            examples=suspect.examples,
            fix=f"If they are ids, declare them in edms-backup.toml:\n{declaration_text(declaration).rstrip()}",
        ),
        declaration,
    )
