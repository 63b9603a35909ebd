"""Check `natural_key()` and `get_by_natural_key`. They must match, and often do not.

Backups do not use the lookup; fixtures, `loaddata` and other code of the EDMS do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from edms_tasks.doctor.assessment import Assessment, assessed
from edms_tasks.findings import make_finding
from edms_tasks.inventory.probe_report import ProbeModel


def assess_lookups(models: Iterable[ProbeModel], doubled: Collection[str]) -> list[Assessment]:
    """Problems with the two methods, model by model. Models in `doubled` are known to have rows with the same key."""
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
            yield assessed(
                make_finding(
                    "natural-key-missing",
                    model.label,
                    "The model has get_by_natural_key but no natural_key(), so nothing writes the keys that it could find.",
                    fix=f"Add natural_key() to the model in the EDMS, returning ({', '.join(model.lookup.parameters)}).",
                )
            )
    elif model.lookup.place == "model":
        yield assessed(make_finding("lookup-on-the-model", model.label))
    elif not model.lookup.place:
        yield assessed(make_finding("lookup-missing", model.label))


def _answers(model: ProbeModel) -> Iterator[Assessment]:
    lookup = model.lookup
    if lookup is None:
        return
    tried = f"of the {lookup.asked} rows tried" if lookup.asked != 1 else "of the one row tried"
    kinds = (
        (
            "lookup-of-another-arity",
            "mismatched",
            f"get_by_natural_key({', '.join(lookup.parameters)}) takes another number of parts than natural_key() returns, for "
            f"{lookup.mismatched} {tried}.",
        ),
        (
            "lookup-raises",
            "raised",
            f"get_by_natural_key raises an error for {lookup.raised} {tried}.",
        ),
        (
            "lookup-finds-nothing",
            "not_found",
            f"get_by_natural_key does not find {lookup.not_found} {tried} by their own keys: `loaddata` would create them twice.",
        ),
        (
            "lookup-finds-another",
            "others",
            f"get_by_natural_key finds another row, or several, for {lookup.others} {tried}: `loaddata` would overwrite what it finds.",
        ),
    )
    for code, kind, message in kinds:
        if count := getattr(lookup, kind):
            yield assessed(
                make_finding(
                    code,
                    model.label,
                    message,
                    count=count,
                    examples=lookup.examples.get(kind, ()),
                )
            )


def _dependencies(model: ProbeModel, by_table: Mapping[str, ProbeModel]) -> Iterator[Assessment]:
    """References in the key's path that `natural_key.dependencies` does not name."""
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
    # Django sorts by direct references to models with a natural key by itself, and ignores others.
    unsorted = [target.label for target in missing if target.natural_key is None]
    names = ", ".join(dict.fromkeys(target.label for target in missing))
    wanted = sorted(declared | {target.label.lower() for target in missing})
    yield assessed(
        make_finding(
            "natural-key-dependencies",
            model.label,
            f"The key follows references to {names}, which natural_key.dependencies does not name."
            + (
                f" `dumpdata` may write its rows before those of {', '.join(unsorted)}, and `loaddata` then fails."
                if unsorted
                else " Django finds the order by itself as long as these models have natural keys."
            ),
            severity="warning" if unsorted else "info",
            fix=f"Set in the EDMS: natural_key.dependencies = [{', '.join(repr(name) for name in wanted)}]",
        )
    )
