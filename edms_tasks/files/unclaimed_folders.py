"""Folders around the EDMS with documents that are in no root and that no row is known to name.

How a system names its files cannot always be seen (a name may be computed with a secret), so a person has to decide about such folders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.files.surrounding_files import below, top_folder
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import Surroundings

_FEW = 3
_EXAMPLES = 5
_DOCUMENTS = "pdf|p7m|p7s|docx?|docm|dotx?|rtf|odt|ods|odp|odg|xlsx?|xlsm|xlsb|pptx?|pptm|tiff?|heic|eml|msg|dwg|dxf|vsdx?|xps|epub|djvu"
_NO_DOCUMENTS = re.compile(
    r"(^|_)(LOGS?|LOGGING|CACHES?|TMP|TEMP|TEMPORARY|STATIC|LOCALES?|TEMPLATES?|FIXTURES?|BACKUPS?)(_|$)", re.I
)


@dataclass(frozen=True)
class UnclaimedFolder:
    """A folder with files that no row is known to name."""

    path: str
    setting: str  # that names it; "" if none does
    files: int
    examples: tuple[str, ...]

    def finding(self) -> Finding:
        """The finding about this folder."""
        named = f" {self.setting} names the folder." if self.setting else ""
        return make_finding(
            "files-in-no-root",
            self.path,
            f"The folder holds documents that are in no folder that is backed up, and no row is known to name them.{named}",
            count=self.files,
            examples=self.examples,
        )


def unclaimed_folders(
    connection: duckdb.DuckDBPyConnection, surroundings: Surroundings, *, files: str, outside: str
) -> tuple[UnclaimedFolder, ...]:
    """The folders with files of `files` that are not in `outside`: those that settings name, and others with several documents."""
    rows: Sequence[tuple[str, bool, str, int, int, list[str], list[str]]] = connection.execute(
        f"""
        SELECT
            base, named, CASE WHEN named THEN base ELSE family END AS folder, count(*), count(*) FILTER (document),
            min(path, {_EXAMPLES}), min(path, {_EXAMPLES}) FILTER (document)
        FROM (
            SELECT
                base, named, path, regexp_matches(lower(path), '\\.({_DOCUMENTS})$') AS document,
                {top_folder("base", "below")} AS family
            FROM (SELECT *, {below("base", "path")} AS below FROM {files})
            WHERE path NOT IN (SELECT path FROM {outside})
        )
        GROUP BY base, named, folder
        ORDER BY folder
        """
    ).fetchall()
    settings = dict(surroundings.named)
    found = []
    for base, named, folder, count, documents, examples, of_documents in rows:
        setting = settings.get(base, "") if named else ""
        if setting and not _NO_DOCUMENTS.search(setting):
            found.append(UnclaimedFolder(folder, setting, count, tuple(examples)))
        elif documents >= _FEW:
            found.append(UnclaimedFolder(folder, "", documents, tuple(of_documents)))
    return tuple(found)
