"""Report ids in texts that nobody declared: in addresses, in sentences, in rich text, in lists with any separator, by the rules of a merge.

A merge would refuse such a column. Where all ids of a place have the same text before them, the declaration is suggested too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import duckdb

from edms_tasks.doctor.assessment import Assessment, Declaration, assessed, declaration_text
from edms_tasks.doctor.model_ids import readable_targets
from edms_tasks.doctor.samples import Sample
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier, literal
from edms_tasks.undeclared.collected_values import JOINED_FORM, make_values
from edms_tasks.undeclared.ids_in_columns import collect_column
from edms_tasks.undeclared.ids_in_texts import FORMS, ID
from edms_tasks.undeclared.likely_ids import Suspect, find_suspects
from edms_tasks.undeclared.names_of_models import Names
from edms_tasks.undeclared.place_descriptions import described

_FEWEST = 3  # different ids
_EXAMINED = 1_000  # texts from which a pattern is read
_ALIKE = 0.9
_SEPARATORS = ";|/"
# Members of JSON and lists with commas are judged by `undeclared_references.py`, with their places.
_FORMS = frozenset({"word", "sign", "tag", "typed", "typed id", "list", JOINED_FORM})


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
    for sample in samples:
        declared = {reference.column for reference in sample.table.soft_references}
        declared |= {column for column, _ in sample.table.file_columns}
        for column in sample.columns:
            subject = f"{sample.table.label}.{column.field or column.name}"
            if column.logical_type not in ("text", "json", "other") or column.name in declared or subject in left_out:
                continue
            places[subject] = (sample, column.name)
            texts = f"(SELECT {identifier(column.name)} AS text, true AS touched FROM {sample.relation})"
            collect_column(cursor, subject, column, texts)
    suspects = find_suspects(cursor, targets, Names(targets, keys.tables))
    likely = [one for one in suspects if one.place.form in _FORMS and len(one.examples) >= _FEWEST]
    return [one for suspect in likely for one in _assessed(cursor, suspect, targets, *places[suspect.place.subject])]


def _assessed(
    cursor: duckdb.DuckDBPyConnection, suspect: Suspect, targets: Sequence[Table], sample: Sample, column: str
) -> Iterator[Assessment]:
    target = targets[suspect.targets[0]].label
    declaration = _declaration(cursor, suspect, target, sample, column)
    if suspect.place.form == "list" and declaration is None:
        return  # separated by commas, or by nothing that is the same everywhere
    if declaration is not None:
        fix = f"If they are ids, declare them in edms-backup.toml:\n{declaration_text(declaration).rstrip()}"
    else:
        fix = "If they are ids, declare the column under [[soft_references]]."
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


def _declaration(
    cursor: duckdb.DuckDBPyConnection, suspect: Suspect, target: str, sample: Sample, column: str
) -> Declaration | None:
    form = next((form for form in FORMS if form.name == suspect.place.form), None)
    texts = f"SELECT {identifier(column)} AS text FROM {sample.relation} WHERE {identifier(column)} IS NOT NULL"
    entries = [("column", suspect.place.subject), ("target", target)]
    if suspect.place.form == "list":
        separator = _most(
            mark
            for (text,) in cursor.execute(f"{texts} LIMIT {_EXAMINED}").fetchall()
            for mark in _SEPARATORS
            if mark in text
        )
        return (
            Declaration(section="soft_references", entries=(*entries, ("separator", separator))) if separator else None
        )
    if form is None or form.name not in ("word", "sign"):
        return None
    named = f" WHERE regexp_extract(whole, {literal(form.key)}, 1) = {literal(suspect.place.name)}" if form.key else ""
    whole = f"SELECT unnest(regexp_extract_all(text, {literal(form.whole)})) AS whole FROM ({texts})"
    found = cursor.execute(f"SELECT whole FROM ({whole}){named} LIMIT {_EXAMINED}").fetchall()
    before = _most(_before(whole) for (whole,) in found)
    return Declaration(section="soft_references", entries=(*entries, ("pattern", f"{before}%d"))) if before else None


def _before(whole: str) -> str:
    """The text before the id: `documents/` of `documents/17/`, and `#` of ` #17,`; "" if several ids follow."""
    ids = list(re.finditer(ID, whole))
    return whole[: ids[0].start()].lstrip() if len(ids) == 1 else ""


def _most(values: Iterable[str]) -> str:
    """The value that nearly all are; "" if they differ."""
    counted = Counter(values)
    if not counted:
        return ""
    ((value, count),) = counted.most_common(1)
    return value if count >= _ALIKE * counted.total() else ""
