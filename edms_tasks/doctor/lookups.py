"""`natural_key()` and `get_by_natural_key` as Django would use them: two sides of one thing, which often do not fit.

Backups do not use the lookup; fixtures, `loaddata` and whatever else of the EDMS relies on it do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from edms_tasks.doctor.assessment import Assessment
from edms_tasks.inventory.probe_report import ProbeModel


def assess_lookups(models: Iterable[ProbeModel], doubled: Collection[str]) -> list[Assessment]:
    """What is wrong with the two methods, model by model; of `doubled` ones it is known that rows share a key."""
    everything = list(models)
    by_table = {model.table: model for model in everything}
    assessments: list[Assessment] = []
    for model in everything:
        assessments += _sides(model)
        assessments += (
            one for one in _answers(model) if one.code != "lookup-finds-another" or model.label not in doubled
        )
        assessments += _dependencies(model, by_table)
    return assessments


def _sides(model: ProbeModel) -> Iterator[Assessment]:
    if model.lookup is None:
        return
    if model.natural_key is None:
        if model.lookup.place:
            yield Assessment(
                code="natural-key-missing",
                severity="warning",
                subject=model.label,
                message="There is a get_by_natural_key, but the model has no natural_key(): nobody writes what it could find.",
                fix=f"Add natural_key() to the model in the EDMS, returning ({', '.join(model.lookup.parameters)}).",
            )
    elif model.lookup.place == "model":
        yield Assessment(
            code="lookup-on-the-model",
            severity="warning",
            subject=model.label,
            message="get_by_natural_key is on the model; Django looks for it on the default manager, and loaddata fails.",
            fix="Move it to a Manager subclass in the EDMS, and say `objects = ThatManager()` on the model.",
        )
    elif not model.lookup.place:
        yield Assessment(
            code="lookup-missing",
            severity="warning",
            subject=model.label,
            message="The model has natural_key() and no get_by_natural_key: loaddata cannot read what dumpdata writes.",
            fix="Add get_by_natural_key to the default manager in the EDMS, with a parameter for each part of the key.",
        )


def _answers(model: ProbeModel) -> Iterator[Assessment]:
    lookup = model.lookup
    if lookup is None:
        return
    tried = f"of the {lookup.asked} rows tried" if lookup.asked != 1 else "of the one row tried"
    kinds = (
        (
            "lookup-of-another-arity",
            "mismatched",
            f"What natural_key() returns does not fit get_by_natural_key({', '.join(lookup.parameters)}) on {lookup.mismatched} "
            f"{tried}.",
            "Give get_by_natural_key one parameter for each part that natural_key() returns.",
        ),
        (
            "lookup-raises",
            "raised",
            f"get_by_natural_key fails with an error for {lookup.raised} {tried}.",
            "Fix the method in the EDMS; the examples say what it raised.",
        ),
        (
            "lookup-finds-nothing",
            "not_found",
            f"get_by_natural_key does not find {lookup.not_found} {tried} by their own keys: loaddata would make them twice.",
            "Let it search all rows, hidden and soft-deleted ones too, by the very values that natural_key() returns.",
        ),
        (
            "lookup-finds-another",
            "others",
            f"get_by_natural_key finds another row, or several, for {lookup.others} {tried}: loaddata would overwrite what it "
            "finds.",
            "Let it compare exactly what natural_key() returns, and make that unique.",
        ),
    )
    for code, kind, message, fix in kinds:
        if count := getattr(lookup, kind):
            yield Assessment(
                code=code,
                severity="warning",
                subject=model.label,
                message=message,
                count=count,
                examples=lookup.examples.get(kind, ()),
                fix=fix,
            )


def _dependencies(model: ProbeModel, by_table: Mapping[str, ProbeModel]) -> Iterator[Assessment]:
    """References the key passes through that `natural_key.dependencies` does not name."""
    key = model.natural_key
    if key is None or key.paths is None:
        return
    fields = {field.column: field for field in model.fields}
    declared = {name.lower() for name in key.dependencies}
    missing = []
    for column in dict.fromkeys(path[0] for path in key.paths if len(path) > 1):
        field = fields[column]
        target = by_table.get(field.reference_table or "")
        # A parent's row is always written before its child's.
        if target is not None and not field.parent_link and target.label.lower() not in declared:
            missing.append(target)
    if not missing:
        return
    # Django sorts by direct references itself, to models that have a natural key; others it does not see.
    unsorted = [target.label for target in missing if target.natural_key is None]
    names = ", ".join(dict.fromkeys(target.label for target in missing))
    wanted = sorted(declared | {target.label.lower() for target in missing})
    yield Assessment(
        code="natural-key-dependencies",
        severity="warning" if unsorted else "info",
        subject=model.label,
        message=f"The key passes through {names}, which natural_key.dependencies does not name"
        + (
            f"; dumpdata may write it before {', '.join(unsorted)}, and loaddata then fails."
            if unsorted
            else ". Django finds the order by itself, as long as those have natural keys."
        ),
        fix=f"Declare it in the EDMS: natural_key.dependencies = [{', '.join(repr(name) for name in wanted)}]",
    )
