"""Report ids in texts that nobody declared: in addresses, in sentences, in rich text, in lists with any separator, by the rules of a merge.

A merge would refuse such a column. Where all ids of a place have the same text before them, the declaration is suggested too.
Members of JSON and lists with commas are reported by `undeclared_references.py`, with their places.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import duckdb

from edms_tasks.doctor.assessment import Assessment, Declaration, assessed, declaration_text
from edms_tasks.doctor.model_ids import readable_targets
from edms_tasks.doctor.samples import Sample
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier
from edms_tasks.undeclared.collected_values import make_values
from edms_tasks.undeclared.ids_in_columns import collect_column
from edms_tasks.undeclared.likely_ids import Suspect, find_suspects
from edms_tasks.undeclared.names_of_models import Names
from edms_tasks.undeclared.place_descriptions import described
from edms_tasks.undeclared.spelled_places import IN_TEXTS, ONLY_IF_SPELLED, spelled

_FEWEST = 3  # different ids


def assess_undeclared_texts(
    cursor: duckdb.DuckDBPyConnection,
    samples: Sequence[Sample],
    keys: CheckedKeys,
    targets: Sequence[Table],
    left_out: Collection[str],
) -> list[Assessment]:
    """One suggestion for each place in a text column that no declaration speaks of.

    Args:
        cursor: of the run's workspace.
        samples: of the tables.
        keys: the tables.
        targets: those of `tabulate_model_ids`.
        left_out: columns that need no suggestion.
    """
    make_values(cursor)
    places: dict[str, tuple[Sample, str]] = {}
    own: dict[str, str] = {}
    for sample in samples:
        declared = {reference.column for reference in sample.table.soft_references}
        declared |= {column for column, _ in sample.table.file_columns}
        for column in (*sample.columns, *sample.key):
            subject = f"{sample.table.label}.{column.field or column.name}"
            if column.logical_type not in ("text", "json", "other") or column.name in declared or subject in left_out:
                continue
            places[subject] = (sample, column.name)
            own |= sample.own(column)
            texts = f"(SELECT {identifier(column.name)} AS text, true AS touched FROM {sample.relation})"
            collect_column(cursor, subject, column, texts)
    suspects = find_suspects(cursor, targets, Names(targets, keys.tables), own=own)
    likely = [one for one in suspects if one.place.form in IN_TEXTS and len(one.examples) >= _FEWEST]
    return [one for suspect in likely for one in _assessed(cursor, suspect, targets, *places[suspect.place.subject])]


def _assessed(
    cursor: duckdb.DuckDBPyConnection, suspect: Suspect, targets: Sequence[Table], sample: Sample, column: str
) -> Iterator[Assessment]:
    text = identifier(column)
    entry = spelled(cursor, suspect.place, f"SELECT {text} AS text FROM {sample.relation} WHERE {text} IS NOT NULL")
    if entry is None and suspect.place.form in ONLY_IF_SPELLED:
        return
    declaration = None
    fix = "If they are ids, declare the column under [[soft_references]]."
    if entry is not None:
        entries = (("column", suspect.place.subject), ("target", targets[suspect.targets[0]].label), entry)
        declaration = Declaration(section="soft_references", entries=entries)
        fix = f"If they are ids, declare them in edms-backup.toml:\n{declaration_text(declaration).rstrip()}"
    yield assessed(
        make_finding(
            "soft-reference",
            suspect.place.subject,
            f"Numbers {described(suspect.place)} look like ids of {readable_targets(suspect, targets)}. A merge that gives rows "
            "other ids is refused until they are declared.",
            count=suspect.hits,
            examples=suspect.examples,
            fix=fix,
        ),
        declaration,
    )
