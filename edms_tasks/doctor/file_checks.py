"""Compare rows with files. The numbers are those of a backup, because the same code counts them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from edms_tasks.doctor.assessment import Assessment, SettingsTable, assessed
from edms_tasks.files import Examination, examine_named_files


def assess_files(
    examination: Examination, files: str, cursor: duckdb.DuckDBPyConnection, scratch: Path
) -> list[Assessment]:
    """Findings about missing files, orphans, path columns, and files outside every root with the roots that would contain them.

    Args:
        examination: the tables and roots to compare.
        files: SELECT of (root, path) of all existing files, the paths as bytes.
        cursor: cursor of the run's workspace.
        scratch: folder for temporary files.
    """
    found = examine_named_files(examination, files, cursor, scratch)
    assessments = [assessed(finding) for finding in (*found.problems, *found.outside.others())]
    names = found.outside.names
    for one in found.outside.columns:
        roots = SettingsTable(section="files.roots", values=tuple((names[at], str(at)) for at in one.folders))
        assessments.append(assessed(one.finding(names), roots if one.folders else None))
    return assessments
