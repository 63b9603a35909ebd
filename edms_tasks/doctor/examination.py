"""The whole examination: every check on one EDMS whose rows were read and whose keys were proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.doctor.discretion import discreet
from edms_tasks.doctor.file_names import WalkedRoot, judge_file_names, judge_roots, tabulate_names
from edms_tasks.doctor.files import judge_files
from edms_tasks.doctor.judgement import Diagnosis, Judgement, judged, ranked
from edms_tasks.doctor.lookups import judge_lookups
from edms_tasks.doctor.migrations import judge_migrations
from edms_tasks.doctor.natural_keys import KEY_CODES, judge_keys, key_verdicts
from edms_tasks.doctor.references import judge_references
from edms_tasks.doctor.samples import take_sample
from edms_tasks.doctor.secrets import judge_secrets
from edms_tasks.doctor.soft_references import judge_soft_references
from edms_tasks.doctor.suggestions import suggest_key
from edms_tasks.inventory.model import Finding, Inventory, ProbeModel, ProbeReport
from edms_tasks.keys import ProvenKeys
from edms_tasks.settings import Settings


@dataclass(frozen=True)
class Patient:
    """What is known of the EDMS when the examination begins."""

    report: ProbeReport  # with the lookups tried
    inventory: Inventory
    findings: tuple[Finding, ...]  # of the inventory and of the engine
    keys: ProvenKeys
    roots: tuple[WalkedRoot, ...]
    names: tuple[Path, ...]  # what `walk_root` wrote, for each root


def examine(patient: Patient, settings: Settings) -> Diagnosis:
    """Make every check."""
    keys = patient.keys
    models = {model.label: model for model in patient.report.models}
    doubled = {finding.subject for finding in keys.findings if finding.code == "natural-key-duplicates"}
    judgements = [*_of_inventory(patient, settings), *judge_lookups(patient.report.models, doubled)]
    for table in keys.tables.values():
        judgements += judge_references(table, keys)
    judgements += [judged(finding) for finding in keys.findings if finding.code == "soft-reference-unreadable"]
    with keys.workspace.cursor() as cursor:
        suggestions = dict(_suggestions(patient, models))
        found = (*patient.findings, *keys.findings)
        judgements += judge_keys(keys, found, settings.natural_keys, suggestions)
        samples = [sample for table in keys.tables.values() if (sample := take_sample(cursor, table, keys)) is not None]
        tabulate_names(cursor, patient.names)
        judgements += judge_roots(patient.roots)
        judgements += judge_files(cursor, [walked.root for walked in patient.roots], samples, keys)
        judgements += judge_soft_references(cursor, samples, keys)
        judgements += judge_file_names(cursor, patient.inventory.file_names, keys)
        judgements += judge_secrets(cursor, samples, keys)
    shown = discreet(judgements, settings.validate_.sensitive, keys)
    return Diagnosis(keys=key_verdicts(keys, models), judgements=ranked(shown))


def _of_inventory(patient: Patient, settings: Settings) -> list[Judgement]:
    """What the inventory and the engine found, but for what is judged anew."""
    anew = {*KEY_CODES, "unapplied-migrations"}
    passed_on = [judged(finding) for finding in patient.findings if finding.code not in anew]
    refused = settings.edms.unapplied_migrations == "refuse"
    return [*passed_on, *judge_migrations(patient.report, refused=refused)]


def _suggestions(patient: Patient, models: Mapping[str, ProbeModel]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Table id -> a key for it, for tables that have none but their primary key."""
    keys = patient.keys
    with keys.workspace.cursor() as cursor:
        for table in keys.tables.values():
            key = keys.keys[table.id].natural_key
            if key is not None and key.source != "surrogate":
                continue
            suggestion = suggest_key(cursor, table, models.get(table.label), keys)
            if suggestion is not None:
                yield table.id, suggestion
