"""Run every check on an EDMS whose rows were read and whose keys were checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.doctor.assessment import Assessment, Diagnosis, SettingsTable, assessed, ranked
from edms_tasks.doctor.file_checks import assess_files
from edms_tasks.doctor.key_checks import KEY_CODES, assess_keys, key_verdicts
from edms_tasks.doctor.migration_checks import assess_migrations
from edms_tasks.doctor.model_ids import tabulate_model_ids
from edms_tasks.doctor.natural_key_methods import assess_lookups
from edms_tasks.doctor.orphaned_references import assess_references
from edms_tasks.doctor.redacted_examples import redacted, redaction_of
from edms_tasks.doctor.root_listing import WalkedRoot, assess_file_names, assess_roots, tabulate_names, walked_files
from edms_tasks.doctor.samples import take_sample
from edms_tasks.doctor.secrets import assess_secrets
from edms_tasks.doctor.suggestions import suggest_key
from edms_tasks.doctor.undeclared_file_names import assess_undeclared_file_names
from edms_tasks.doctor.undeclared_references import assess_soft_references
from edms_tasks.doctor.undeclared_texts import assess_undeclared_texts
from edms_tasks.doctor.undeclared_values import assess_undeclared_values
from edms_tasks.files import Examination
from edms_tasks.inventory.model import Finding, Inventory
from edms_tasks.inventory.probe_report import ProbeModel, ProbeReport, ProbeStore
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.settings import Settings


@dataclass(frozen=True)
class Subject:
    """The EDMS under examination: its report, inventory, checked keys and folders of files."""

    report: ProbeReport  # including the results of trying the lookups
    inventory: Inventory
    findings: tuple[Finding, ...]  # of the inventory and of the engine
    keys: CheckedKeys
    roots: tuple[WalkedRoot, ...]
    names: tuple[Path, ...]  # the result of `walk_root` for each root
    ours: tuple[Path, ...]  # our own folders
    scratch: Path  # for temporary files


def examine(subject: Subject, settings: Settings) -> Diagnosis:
    """Run all checks."""
    keys = subject.keys
    models = {model.label: model for model in subject.report.models}
    doubled = {finding.subject for finding in keys.findings if finding.code == "natural-key-duplicates"}
    assessments = [*_of_inventory(subject, settings), *assess_lookups(subject.report.models, doubled)]
    for table in keys.tables.values():
        assessments += assess_references(table, keys)
    assessments += [assessed(finding) for finding in keys.findings if finding.code == "soft-reference-unreadable"]
    with keys.workspace.cursor() as cursor:
        suggestions = dict(_suggestions(subject, models))
        found = (*subject.findings, *keys.findings)
        assessments += assess_keys(keys, found, settings.natural_keys, suggestions)
        samples = [sample for table in keys.tables.values() if (sample := take_sample(cursor, table, keys)) is not None]
        targets = tabulate_model_ids(cursor, keys)
        tabulate_names(cursor, subject.names)
        assessments += assess_roots(subject.roots)
        examination = _examination(subject, settings)
        assessments += assess_files(examination, walked_files(subject.names), cursor, subject.scratch)
        assessments += assess_undeclared_file_names(cursor, examination, keys, targets)
        values = assess_soft_references(cursor, samples, keys, targets)
        assessments += values
        # A suggested pattern quotes the text around ids.
        of_files = {one.subject for one in assessments if one.code in ("path-column", "files-outside-the-roots")}
        left_out = {*of_files, *(one.subject for one in values), *_hidden(keys, settings)}
        texts = assess_undeclared_texts(cursor, samples, keys, targets, left_out)
        said = {*left_out, *(one.subject for one in texts)}
        assessments += [*texts, *assess_undeclared_values(cursor, samples, keys, targets, said)]
        assessments += assess_file_names(cursor, subject.inventory.file_names, keys)
        assessments += assess_secrets(cursor, samples, keys)
    shown = redacted(assessments, settings.validate_.sensitive, keys)
    return Diagnosis(keys=key_verdicts(keys, models), assessments=ranked(shown))


def _hidden(keys: CheckedKeys, settings: Settings) -> Iterator[str]:
    """The columns whose values are not to be shown, as `Model.column` and `Model.field`."""
    redaction = redaction_of(settings.validate_.sensitive, keys)
    for table in keys.tables.values():
        for column in table.columns:
            if redaction.hides(table, column.name):
                yield f"{table.label}.{column.name}"
                yield f"{table.label}.{column.field or column.name}"


def _examination(subject: Subject, settings: Settings) -> Examination:
    return Examination(
        tables=subject.inventory.tables,
        raws=subject.keys.raws,
        roots=[walked.root for walked in subject.roots],
        declared=subject.inventory.file_names,
        surroundings=subject.report.surroundings,
        ours=subject.ours,
        excluded=settings.exclude.folders,
    )


def _of_inventory(subject: Subject, settings: Settings) -> list[Assessment]:
    """The findings of the inventory and the engine that no check replaces."""
    anew = {*KEY_CODES, "unapplied-migrations"}
    stores = {store.url: store for store in subject.report.stores if store.url}
    passed_on = [
        assessed(finding, _root_for(stores.get(finding.subject)) if finding.code == "storage-not-a-folder" else None)
        for finding in subject.findings
        if finding.code not in anew
    ]
    refused = settings.edms.unapplied_migrations == "refuse"
    return [*passed_on, *assess_migrations(subject.report, refused=refused)]


def _root_for(store: ProbeStore | None) -> SettingsTable | None:
    """The setting that would back up a store, if it is known how to reach it; its credentials have to be added."""
    return SettingsTable(section="files.stores", values=((store.name, store.url.rstrip("/")),)) if store else None


def _suggestions(subject: Subject, models: Mapping[str, ProbeModel]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(table id, key) for tables that have only their primary key."""
    keys = subject.keys
    with keys.workspace.cursor() as cursor:
        for table in keys.tables.values():
            key = keys.keys[table.id].natural_key
            if key is not None and key.source != "surrogate":
                continue
            suggestion = suggest_key(cursor, table, models.get(table.label), keys)
            if suggestion is not None:
                yield table.id, suggestion
