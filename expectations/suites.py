"""What a restored database must hold, as Great Expectations suites: one per table, one for digests, one for files.

What already dangled or collided at the source is expected again, in the same number: neither fixed nor grown. Every
expectation carries a readable description and `meta["check"]`, its short name in reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import great_expectations as gx
import pandas as pd
from great_expectations.expectations.expectation import Expectation

from edms_tasks.digests.measured import MeasuredTable
from edms_tasks.inventory.model import ForeignReference, GenericReference, SoftReference
from edms_tasks.manifest import FileNameState, Manifest, ReferenceState, TableEntry
from edms_tasks.validation_result import FileCheckLike, StructureLine
from expectations.integrity import (
    ExpectGenericReferenceToDangleAsAtTheSource,
    ExpectMeasureToEqual,
    ExpectNaturalKeyToBeAsHealthyAsAtTheSource,
    ExpectReferenceToDangleAsAtTheSource,
    ExpectRequiredColumnsToBeFilled,
    ExpectTableToHoldRows,
)
from expectations.queries import count_dangling, count_dangling_generic, count_key_health, count_nulls, count_rows

DIGESTS = "digests"
FILES = "files"
_CONTENT_TYPES = "django_content_type"
_COUNTED = ("filled", "dangling")
_COLUMNS = ("subject", "measure", "expected", "found")


def table_suite(manifest: Manifest, entry: TableEntry, engine: str, name: str) -> gx.ExpectationSuite:
    """What one table must be like, counted by the restored database itself (`engine`: the one it runs on)."""
    entries = {other.table.id: other for other in manifest.tables}
    return gx.ExpectationSuite(
        name=name,
        expectations=list(_table_expectations(entry, engine, entries)),
        meta={"subject": entry.table.id, "title": entry.table.label},
    )


def digest_summary(
    manifest: Manifest, states: Mapping[str, MeasuredTable], structure: Sequence[StructureLine] = ()
) -> pd.DataFrame:
    """Expected and found digests, soft references' counts and the structure's lines, as a small frame.

    There is a line for what was measured on the rows that were read back, and for nothing else; but every table has a line
    for its exact digest. '' stands where a table is on one side only.
    """
    rows = [("database", "tables", str(len(manifest.tables)), str(len(states)))]
    expected = {entry.table.id: entry for entry in manifest.tables}
    for table_id in sorted(expected.keys() | states.keys()):
        entry, found = expected.get(table_id), states.get(table_id)
        rows.append(
            (
                table_id,
                "exact digest",
                entry.state.exact_digest if entry else "",
                (found.exact_digest or "") if found else "",
            )
        )
        if entry is not None and found is not None:
            rows += _content_lines(entry, found)
    rows += [(line.subject, line.measure, line.expected, line.found) for line in structure]
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype="str")


def _content_lines(entry: TableEntry, found: MeasuredTable) -> Iterator[tuple[str, str, str, str]]:
    """The content digest and the soft references of a table, where they were computed on the rows read back."""
    table_id = entry.table.id
    if found.content_digest is not None:
        yield table_id, "content digest", entry.state.content_digest, found.content_digest
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
    """Expected and found files per root, as a small frame; '' where a root is on one side only.

    Ids in the names of files have lines where they were looked up again (`names`).
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
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype="str")


def _of_names(state: FileNameState | None) -> tuple[tuple[str, str], ...]:
    return (
        ("files named", str(state.files) if state else ""),
        ("files of no row named", str(state.dangling) if state else ""),
        ("content digest of files named", state.content_digest if state else ""),
    )


def summary_suite(name: str, summary: pd.DataFrame, labels: Mapping[str, str]) -> gx.ExpectationSuite:
    """One expectation for each row of a summary."""
    expectations: list[Expectation] = []
    for row in summary.itertuples(index=False):
        subject, measure = str(row.subject), str(row.measure)
        label = labels.get(subject, subject)
        expectations.append(
            ExpectMeasureToEqual(
                subject=subject,
                measure=measure,
                description=f"{label}: the {measure} is the one in the manifest.",
                meta={"check": f"{label}: {measure}", "expected": str(row.expected)},
            )
        )
    return gx.ExpectationSuite(name=name, expectations=expectations, meta={"subject": name, "title": name})


def _table_expectations(entry: TableEntry, engine: str, entries: Mapping[str, TableEntry]) -> Iterator[Expectation]:
    table, state = entry.table, entry.state
    yield ExpectTableToHoldRows(
        query=count_rows(table),
        counted=["rows"],
        expected=[state.rows],
        description=f"{table.label} holds {state.rows:,} rows.",
        meta={"check": "rows"},
    )
    if key := entry.natural_key:
        readable = key.readable or ", ".join(".".join(path) for path in key.paths)
        yield ExpectNaturalKeyToBeAsHealthyAsAtTheSource(
            query=count_key_health(engine, entry, key, entries),
            counted=["incomplete keys", "repeated keys"],
            expected=[state.key_nulls, state.key_duplicates],
            description=f"The natural key ({readable}) tells every row from every other, as it did at the source.",
            meta={"check": f"natural key ({readable})"},
        )
    if required := [column for column in table.columns if not column.nullable]:
        yield ExpectRequiredColumnsToBeFilled(
            query=count_nulls(table, required),
            counted=[f"NULLs in {column.name}" for column in required],
            expected=[0] * len(required),
            description="Columns that are declared NOT NULL hold no NULL: "
            + ", ".join(column.name for column in required),
            meta={"check": "required columns"},
        )
    dangling = {reference.name: reference.dangling for reference in state.references}
    for reference in table.references:
        # Databases cannot be asked for ids in lists and texts: `digest_summary` has them where they were counted.
        if not isinstance(reference, SoftReference):
            yield _reference_expectation(entry, reference, dangling.get(reference.name, 0), engine, entries)


def _reference_expectation(
    entry: TableEntry,
    reference: ForeignReference | GenericReference,
    dangling: int,
    engine: str,
    entries: Mapping[str, TableEntry],
) -> Expectation:
    if isinstance(reference, ForeignReference):
        target = entries.get(reference.target)
        partitions = [entries[name].table for name in reference.partitions if name in entries]
        return ExpectReferenceToDangleAsAtTheSource(
            query=count_dangling(engine, entry.table, reference, target.table if target else None, partitions),
            counted=["dangling"],
            expected=[dangling],
            description=f"{reference.name} points at {target.table.label if target else reference.target}; "
            f"{_as_many(dangling)}.",
            meta={
                "check": f"{reference.kind.replace('_', '-')} reference {reference.name}",
                "reference": reference.name,
            },
        )
    content_types = entries.get(_CONTENT_TYPES)
    return ExpectGenericReferenceToDangleAsAtTheSource(
        query=count_dangling_generic(
            engine,
            entry.table,
            reference,
            content_types.table if content_types else None,
            [other.table for other in entries.values()],
        ),
        counted=["dangling"],
        expected=[dangling],
        description=f"{reference.name} ({reference.content_type_column}, {reference.object_id_column}) points at a row "
        f"of any model; {_as_many(dangling)}.",
        meta={"check": f"generic reference {reference.name}", "reference": reference.name},
    )


def _as_many(dangling: int) -> str:
    if not dangling:
        return "no row may point at nothing"
    return "1 row is known to point at nothing" if dangling == 1 else f"{dangling:,} rows are known to point at nothing"


def _count(reference: ReferenceState | None, what: str) -> str:
    """Rows that point at something, or of those the ones that point at nothing; '' where they were not counted."""
    if reference is None:
        return ""
    return str(reference.filled if what == "filled" else reference.dangling)
