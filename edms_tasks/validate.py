"""Validate a restored database and its files against the manifest, and give the verdict.

The suites come from `expectations`, and so does the evidence (Data Docs). The verdict is found here and is harder than
Great Expectations' own: a suite that evaluated nothing, a table without a suite, an expectation that could not be
evaluated and a table nobody expected are failures too.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.databases.engines import engine_of_url
from edms_tasks.errors import UnusableSuite
from edms_tasks.inventory.model import Table
from edms_tasks.json_text import indented_json
from edms_tasks.manifest import FileNameState, Manifest
from edms_tasks.owners_suites import OwnersSuite, read_suites
from edms_tasks.proof.measured_table import MeasuredTable
from edms_tasks.redaction import Redaction
from edms_tasks.validation_result import (
    CheckResult,
    Failure,
    FileCheckLike,
    StructureLine,
    SuiteResult,
    ValidationResult,
)

if TYPE_CHECKING:
    from expectations.checkpoint import Summary, TableSuite

__all__ = [
    "CheckResult",
    "Failure",
    "SuiteResult",
    "ValidationResult",
    "assess",
    "preload_great_expectations",
    "require_suites",
    "suite_problems",
    "validate_restored",
]


def preload_great_expectations() -> None:
    """Start loading Great Expectations in the background. It takes seconds, in which the caller waits for other programs."""
    threading.Thread(target=importlib.import_module, args=["expectations.checkpoint"]).start()


def validate_restored(
    manifest: Manifest,
    states: Mapping[str, MeasuredTable],
    files: Sequence[FileCheckLike],
    database_url: str,
    reports: Path,
    *,
    structure: Sequence[StructureLine] = (),
    file_names: Sequence[FileNameState] | None = None,
    sensitive: Sequence[str] = (),
    suites_folder: Path | None = None,
    jobs: int = 1,
) -> ValidationResult:
    """Run every suite on the restored database, write the Data Docs to `reports / "data_docs"`, and give the verdict.

    Args:
        manifest: what the snapshot says went in.
        states: table id -> what was measured in the restored database. What was not measured is no expectation.
        files: one check for each file root.
        database_url: SQLAlchemy URL of the restored database; it is used and never written down.
        reports: folder for the evidence; created.
        structure: what the database is besides its rows, held against the snapshot (`structure.check_structure`).
        file_names: the manifest's declarations of ids in names of files, measured anew with the restored rows; None: they
            were not, since rows and files are equal.
        sensitive: the columns of `[validate] sensitive`, whose values never appear. Results are counts and digests
            anyway; but a database's error may quote a value, so it is left out for these columns' tables and those that name their rows.
        suites_folder: the owner's own suites, which count as ours do (`[validate] suites`).
        jobs: how many connections ask the restored database at the same time.

    Raises:
        DatabaseRefused: the restored database cannot be reached.
        UnusableSuite: one of the owner's suites cannot be used.
    """
    from expectations.checkpoint import Summary, run_checkpoint
    from expectations.data_docs import write_data_docs
    from expectations.results import read_owners_suite, read_summary, read_table_suite
    from expectations.suites import table_suite
    from expectations.summaries import DIGESTS, FILES, digest_summary, file_summary, summary_suite

    started = time.monotonic()
    engine = engine_of_url(database_url)
    labels = {entry.table.id: entry.table.label for entry in manifest.tables}
    names = _unique_names(labels)
    tables = [table_suite(manifest, entry, engine, names[entry.table.id]) for entry in manifest.tables]
    digests = Summary(summary_suite(DIGESTS), digest_summary(manifest, states, structure))
    found_files = Summary(summary_suite(FILES), file_summary(manifest, files, file_names))
    owners = require_suites(suites_folder, [entry.table for entry in manifest.tables])
    parts: list[TableSuite | Summary] = [*tables, *(suite for _, suite in owners), digests, found_files]
    results = run_checkpoint(database_url, parts, jobs=jobs)
    redaction = Redaction.of_entries(sensitive, manifest.tables)
    silent = {entry.table.id for entry in manifest.tables if redaction.silences(entry.table)}
    kept_back = {owned.title for owned, _ in owners if not owned.may_show(redaction)}
    suites = (
        *(
            read_table_suite(result, table_id, label, silent=table_id in silent)
            for (table_id, label), result in zip(labels.items(), results[: len(tables)], strict=True)
        ),
        *(
            read_owners_suite(result, owned.title, silent=owned.title in kept_back)
            for (owned, _), result in zip(owners, results[len(tables) : -2], strict=True)
        ),
        read_summary(results[-2], digests.frame, labels),
        read_summary(results[-1], found_files.frame, {}),
    )
    failures = assess(manifest, states, files, suites, [owned.title for owned, _ in owners])
    definitions = {subject: part for part in parts if (subject := str(part.suite.meta["subject"])) not in kept_back}
    data_docs = write_data_docs(suites, failures, reports / "data_docs", definitions)
    result = ValidationResult(not failures, suites, failures, data_docs, time.monotonic() - started)
    (reports / "validation.json").write_bytes(indented_json(result.as_json()))
    return result


def require_suites(folder: Path | None, tables: Sequence[Table]) -> list[tuple[OwnersSuite, TableSuite]]:
    """The owner's suites, each with its form for the checkpoint; raises UnusableSuite for the first invalid one."""
    usable, problems = _suites_and_problems(folder, tables)
    for problem in problems:
        raise problem
    return usable


def suite_problems(folder: Path | None, tables: Sequence[Table]) -> tuple[UnusableSuite, ...]:
    """The problems of the owner's suites; each of them would stop a restore."""
    return tuple(_suites_and_problems(folder, tables)[1])


def _suites_and_problems(
    folder: Path | None, tables: Sequence[Table]
) -> tuple[list[tuple[OwnersSuite, TableSuite]], list[UnusableSuite]]:
    if folder is None:
        return [], []
    from expectations.owners_expectations import owners_suite

    usable: list[tuple[OwnersSuite, TableSuite]] = []
    suites, problems = read_suites(folder, tables)
    for suite in suites:
        try:
            usable.append((suite, owners_suite(suite)))
        except UnusableSuite as problem:
            problems.append(problem)
    return usable, problems


def assess(
    manifest: Manifest,
    states: Mapping[str, MeasuredTable],
    files: Sequence[FileCheckLike],
    suites: Sequence[SuiteResult],
    owners: Sequence[str] = (),
) -> tuple[Failure, ...]:
    """Every reason why the restore is not proved; an empty result means that it is. `owners`: the owner's suites by title."""
    return tuple(_failures(manifest, states, files, suites, owners))


def _failures(
    manifest: Manifest,
    states: Mapping[str, MeasuredTable],
    files: Sequence[FileCheckLike],
    suites: Sequence[SuiteResult],
    owners: Sequence[str],
) -> Iterator[Failure]:
    labels = {entry.table.id: entry.table.label for entry in manifest.tables}
    evaluated = Counter(suite.subject for suite in suites)
    if not manifest.tables:
        yield Failure("manifest", "tables", "the snapshot has no tables, so nothing can be validated")
    for subject in (*labels, *owners, "digests", "files"):
        if not evaluated[subject]:
            yield Failure(labels.get(subject, subject), "suite", "no suite was evaluated for it")
    for table_id, label in labels.items():
        if table_id not in states:
            yield Failure(label, "digest", "the restored table was not measured")
    for table_id in sorted(states.keys() - labels.keys()):
        yield Failure(table_id, "table", "the restored database has a table that the snapshot does not")
    roots = Counter(check.root for check in files)
    for index in manifest.files:
        if roots[index.root.name] != 1:
            yield Failure(index.root.name, "files", f"the folder was checked {roots[index.root.name]} times, not once")
    for root in sorted(roots.keys() - {index.root.name for index in manifest.files}):
        yield Failure(root, "files", "a folder was checked that is not in the snapshot")
    named_files = _named_files(files)
    for suite in suites:
        if not suite.checks or not suite.evaluated:
            yield Failure(suite.title, "suite", "the suite evaluated nothing")
        for check in suite.checks:
            if not check.success:
                yield Failure(suite.title, check.name, check.message + named_files.get(check.name, ""))


def _named_files(files: Sequence[FileCheckLike]) -> dict[str, str]:
    """The files behind a failed check of a root, by the check's name."""
    named = {}
    for check in files:
        for kind, paths, count in (
            ("missing", check.missing, check.missing_count),
            ("altered", check.altered, check.altered_count),
            ("unexpected", check.unexpected, check.unexpected_count),
        ):
            more = f", and {count - 5:,} more" if count > 5 else ""
            named[f"{check.root}: {kind} files"] = f": {', '.join(paths[:5])}{more}" if paths else ""
    return named


def _unique_names(labels: Mapping[str, str]) -> dict[str, str]:
    """A suite's name for each table: its label, with the table's id where two share a label or a reserved name."""
    shared = Counter([*labels.values(), "digests", "files"])
    return {
        table_id: f"{label} (table {table_id})" if shared[label] > 1 else label for table_id, label in labels.items()
    }
