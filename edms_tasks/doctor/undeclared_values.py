"""Report whole values that a merge would take for undeclared ids because of a name: `device` beside a model Device, `row_id` of any model.

`undeclared_references.py` has reported those whose values fit one model. Here, the name says that they are ids and the values are too few
to confirm it, or another column says of which model each is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import duckdb

from edms_tasks.doctor.assessment import Assessment, Declaration, Declarations, Fix, assessed, declaration_text
from edms_tasks.doctor.model_ids import readable_targets
from edms_tasks.doctor.samples import Sample
from edms_tasks.doctor.undeclared_references import repeats_own_key
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Column, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier
from edms_tasks.undeclared.collected_values import make_values
from edms_tasks.undeclared.ids_in_columns import collect_by_kind, collect_column
from edms_tasks.undeclared.likely_ids import Suspect, find_suspects
from edms_tasks.undeclared.names_of_models import Names

_KINDS = ("integer", "decimal", "float", "uuid", "text", "other")
_FEWEST = 3  # different ids
_MOST_BESIDE = 8
_CHOSEN, _VALUE = "chosen", "value"


def assess_undeclared_values(
    cursor: duckdb.DuckDBPyConnection,
    samples: Sequence[Sample],
    keys: CheckedKeys,
    targets: Sequence[Table],
    left_out: Collection[str],
) -> list[Assessment]:
    """One finding for each column of which a name says that its values are ids; arguments as of `assess_undeclared_texts`."""
    make_values(cursor)
    names = Names(targets, keys.tables)
    columns: dict[str, str] = {}
    own: dict[str, str] = {}
    for sample in samples:
        declared = {reference.column for reference in sample.table.soft_references}
        for column in (*sample.columns, *sample.key):
            subject = f"{sample.table.label}.{column.field or column.name}"
            meaning = names.meant(column.field or column.name, several=False)
            unsaid = column.name not in declared and subject not in left_out and column.logical_type in _KINDS
            if not unsaid or meaning.strength == "none":
                continue
            if column in sample.key:
                # Every primary key holds ids: those of its own rows, unless it is named after other ones.
                if meaning.strength == "id" or all(targets[one].id == sample.table.id for one in meaning.targets):
                    continue
            elif repeats_own_key(cursor, sample.table, column.name, keys):
                continue
            own |= sample.own(column)
            columns[subject] = column.name
            text = identifier(column.name)
            collect_column(cursor, subject, column, f"(SELECT {text} AS text, true AS touched FROM {sample.relation})")
            if meaning.strength == "id":
                collect_by_kind(cursor, subject, column, [*_beside(sample, column)])
    found: dict[str, list[Suspect]] = {}
    for one in find_suspects(cursor, targets, names, own=own):
        if one.place.form in (_CHOSEN, _VALUE) and len(one.examples) >= _FEWEST:
            found.setdefault(one.place.subject, []).append(one)
    return [
        assessment
        for subject, suspects in found.items()
        for assessment in _assessed(subject, columns[subject], suspects, targets)
    ]


def _beside(sample: Sample, column: Column) -> Iterator[tuple[str, str]]:
    """The columns that may say of which model a value is, as `collect_by_kind` takes them."""
    others = [one for one in sample.columns if one.name != column.name and one.logical_type in ("text", "integer")]
    for one in others[:_MOST_BESIDE]:
        columns = f"{identifier(column.name)} AS text, {identifier(one.name)} AS kind"
        yield one.name, f"(SELECT {columns}, true AS touched FROM {sample.relation})"


def _assessed(subject: str, column: str, suspects: Sequence[Suspect], targets: Sequence[Table]) -> Iterator[Assessment]:
    told = _told_apart(suspects, targets)
    if told:
        declared = Declarations(each=tuple(_of_kind(subject, targets[one.targets[0]], one) for one in told))
        kinds = ", ".join(f"{' is '.join(_condition(one))}: {targets[one.targets[0]].label}" for one in told)
        lines = "".join(map(declaration_text, declared.each)).rstrip()
        yield _finding(
            subject,
            f"Another column seems to say of which model ({kinds}).",
            told,
            f"If it is so, declare each:\n{lines}",
            declared,
        )
        return
    whole = [one for one in suspects if one.place.form == _VALUE]
    if not whole:
        return
    (one,) = whole
    if len(one.targets) == 1:
        entries = (("column", subject), ("target", targets[one.targets[0]].label))
        declaration = Declaration(section="soft_references", entries=entries)
        text = f"If they are ids, declare them in edms-backup.toml:\n{declaration_text(declaration).rstrip()}"
        yield _finding(subject, f"They may be ids of {readable_targets(one, targets)}.", whole, text, declaration)
    else:
        fix = "Find out in the EDMS's code which rows they are, and declare the column under [[soft_references]]."
        yield _finding(subject, f"They may be ids of {readable_targets(one, targets)}.", whole, fix)


def _told_apart(suspects: Sequence[Suspect], targets: Sequence[Table]) -> list[Suspect]:
    """The suspects of the column that tells ids of different models apart; none if there is no such column."""
    by_column: dict[str, list[Suspect]] = {}
    for one in suspects:
        if one.place.form == _CHOSEN:
            by_column.setdefault(_condition(one)[0], []).append(one)
    apart = [ones for ones in by_column.values() if len({one.targets[0] for one in ones}) > 1]
    return max(apart, key=lambda ones: sum(one.hits for one in ones), default=[])


def _condition(one: Suspect) -> tuple[str, str]:
    """The column that says of which model the ids are, and what it says: `collect_by_kind` has them in the name of the place."""
    beside, _, kind = one.place.name.partition(" where ")[2].partition(" is ")
    return beside, kind


def _of_kind(subject: str, target: Table, one: Suspect) -> Declaration:
    entries = (("column", subject), ("target", target.label))
    return Declaration(section="soft_references", entries=entries, where=(_condition(one),))


def _finding(subject: str, what: str, suspects: Sequence[Suspect], fix: str, declared: Fix | None = None) -> Assessment:
    return assessed(
        make_finding(
            "soft-reference",
            subject,
            f"By its name it contains ids. {what} A merge that gives rows other ids is refused until they are declared.",
            count=sum(one.hits for one in suspects),
            examples=suspects[0].examples,
            fix=fix,
        ),
        declared,
    )
