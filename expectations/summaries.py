"""Summaries: pandas frames with expected and found values, and the suite for all of them.

A summary has a line for each measure of each subject. A side without a value has None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

from edms_tasks.manifest import FileNameState, Manifest, ReferenceState, TableEntry
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.validation_result import FileCheckLike, StructureLine

DIGESTS = "digests"
FILES = "files"
PROOF = "proof"
"""The measure of all rows and columns of a table: the proof, or the exact digest of a snapshot of format 1."""
_COUNTED = ("filled", "dangling")
_COLUMNS = ("subject", "measure", "expected", "found")


def summary_suite(name: str) -> gx.ExpectationSuite:
    """The suite for any summary: every line has an expected value, the found value equals it, and no line occurs twice."""
    return gx.ExpectationSuite(
        name=name,
        expectations=[
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="expected",
                column_B="found",
                ignore_row_if="neither",
                description="What was found is what is in the manifest.",
                meta={"check": "found as expected"},
            ),
            gxe.ExpectColumnValuesToNotBeNull(
                column="expected",
                description="The manifest has everything that was found.",
                meta={"check": "known to the manifest"},
            ),
            gxe.ExpectCompoundColumnsToBeUnique(
                column_list=["subject", "measure"],
                description="Nothing is measured twice.",
                meta={"check": "measured once"},
            ),
        ],
        meta={"subject": name, "title": name},
    )


def digest_summary(
    manifest: Manifest, states: Mapping[str, MeasuredTable], structure: Sequence[StructureLine] = ()
) -> pd.DataFrame:
    """A frame of digests, counts of soft references, and the structure's lines, expected and found.

    It has a line only for what was measured on the rows that were read back; but every table has a line for its proof.
    """
    rows = [("database", "tables", str(len(manifest.tables)), str(len(states)))]
    expected = {entry.table.id: entry for entry in manifest.tables}
    for table_id in sorted(expected.keys() | states.keys()):
        entry, found = expected.get(table_id), states.get(table_id)
        rows.append(
            (
                table_id,
                PROOF,
                entry.state.fingerprint if entry else "",
                (found.fingerprint or "") if found else "",
            )
        )
        if entry is not None and found is not None:
            rows += _content_lines(entry, found)
    rows += [(line.subject, line.measure, line.expected, line.found) for line in structure]
    return _frame(rows)


def _content_lines(entry: TableEntry, found: MeasuredTable) -> Iterator[tuple[str, str, str, str]]:
    """The lines for a table's content digest and soft references, if they were measured on the rows that were read back."""
    table_id = entry.table.id
    if found.content_digest is not None:
        yield table_id, "content digest", entry.state.content_digest or "", found.content_digest
    if found.references is None:
        return
    expected = {reference.name: reference for reference in entry.state.references}
    for reference in entry.table.soft_references:
        was, now = expected.get(reference.name), found.references.get(reference.name)
        for what in _COUNTED:
            measure = f"soft reference {reference.name}: rows {what}"
            yield table_id, measure, _count(was, what), _count(now, what)


def file_summary(
    manifest: Manifest, files: Sequence[FileCheckLike], names: Sequence[FileNameState] | None = None
) -> pd.DataFrame:
    """A frame of the files of each root, expected and found.

    Ids in file names have lines if they were looked up again (`names`).
    """
    rows = [("folders", "folders of files", str(len(manifest.files)), str(len(files)))]
    checks = {check.root: check for check in files}
    indexes = {index.root.name: index for index in manifest.files}
    for root in sorted(checks.keys() | indexes.keys()):
        index, check = indexes.get(root), checks.get(root)
        rows += [
            (
                root,
                "files",
                str(check.expected if check else index.files) if index else "",
                str(check.found) if check else "",
            ),
            (root, "digest", index.digest if index else "", check.found_digest if check else ""),
            (root, "missing files", "0" if index else "", str(check.missing_count) if check else ""),
            (root, "altered files", "0" if index else "", str(check.altered_count) if check else ""),
            (root, "unexpected files", "0" if index else "", str(check.unexpected_count) if check else ""),
        ]
    found = {state.reference: state for state in names or ()}
    for state in manifest.file_names if names is not None else ():
        rows += [
            (state.reference.root, f"{measure} {state.reference.pattern}", was, now)
            for (measure, was), (_, now) in zip(_of_names(state), _of_names(found.get(state.reference)), strict=True)
        ]
    return _frame(rows)


def _of_names(state: FileNameState | None) -> tuple[tuple[str, str], ...]:
    return (
        ("files named", str(state.files) if state else ""),
        ("files of no row named", str(state.dangling) if state else ""),
        ("content digest of files named", state.content_digest if state else ""),
    )


def _frame(rows: Sequence[tuple[str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame([tuple(value or None for value in row) for row in rows], columns=list(_COLUMNS), dtype="str")


def _count(reference: ReferenceState | None, what: str) -> str:
    """The number of filled or dangling references as text; "" if they were not counted."""
    if reference is None:
        return ""
    return str(reference.filled if what == "filled" else reference.dangling)
