"""Find undeclared soft references: places with ids of one model in plain columns, in lists, in JSON.

A small number is an id in every table, so it means little that values are ids. A place is reported only if most of its
values are ids of a model *and* there is another sign: its name (`document_id`, `$.document_ids[*]`), or so many values that
they are hardly ids by chance. It is reported as a suspicion, with the share of its values that are ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.doctor.assessment import Assessment, Declaration, assessed, declaration_text
from edms_tasks.doctor.id_candidates import PLACED_VALUES, CandidatePlace, tabulate_places
from edms_tasks.doctor.samples import Sample
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier
from edms_tasks.scratch.workspace import relation
from edms_tasks.soft.json_paths import JsonPath, parse_json_path
from edms_tasks.soft.path_states import PathStates
from edms_tasks.undeclared.likelihood import MOSTLY, SURELY, Fit
from edms_tasks.undeclared.likely_ids import TARGET_IDS
from edms_tasks.undeclared.names_of_models import Names, counts_or_measures

_CONTRADICTED = 0.9  # of the values: fewer ids of the model that the name means, and another one's are believed


@dataclass(frozen=True)
class _Match:
    """The comparison of a place's values with one model's ids."""

    place: int
    target: int
    named: bool  # the place's name means the model
    fit: Fit

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """How well the model fits, compared with others for the same place."""
        return self.named, self.fit.likelihood, self.fit.share, -self.fit.largest_id


def assess_soft_references(
    cursor: duckdb.DuckDBPyConnection, samples: Sequence[Sample], keys: CheckedKeys, targets: Sequence[Table]
) -> list[Assessment]:
    """Report the places whose values look like ids of one model; `targets` are those of `tabulate_model_ids`."""
    places = tabulate_places(cursor, samples)
    declared = {number for number, place in enumerate(places) if _is_declared(place)}
    candidates: dict[int, list[_Match]] = {}
    for match in _matches(cursor, places, targets, Names(targets, keys.tables)):
        if match.place not in declared:
            candidates.setdefault(match.place, []).append(match)
    found = []
    for number, matches in candidates.items():
        best = _best(matches)
        if best is not None and not _is_counter(cursor, places[number], best, targets, keys):
            found.append(_assessment(places[number], targets[best.target], best))
    return found


def _best(matches: Sequence[_Match]) -> _Match | None:
    """The likeliest model of those that a place's values match; None if they are hardly ids of any.

    The name decides, unless the values fit the ids of another model much better: those of `document` may all be pages.
    """
    likely = [match for match in matches if _is_likely(match)]
    if not likely:
        return None
    best = max(likely, key=lambda match: match.rank)
    surest = max(likely, key=lambda match: match.fit.likelihood)
    contradicted = surest.fit.nearly_all and surest.fit.beats_chance and best.fit.share < _CONTRADICTED
    return surest if best.named and contradicted else best


def _matches(
    cursor: duckdb.DuckDBPyConnection, places: Sequence[CandidatePlace], targets: Sequence[Table], names: Names
) -> list[_Match]:
    """Pairs of a place and a model that have ids in common."""
    rows = cursor.execute(
        f"""
        WITH looked_up AS (
            SELECT place, sum(weight) AS weight, count(*) AS different, bool_and(number IS NOT NULL) AS numbers,
                max(number) AS highest, min(number) AS lowest,
                sum(CAST(number AS DOUBLE) * weight) / sum(weight) AS mean
            FROM {PLACED_VALUES}
            GROUP BY place
        ),
        hits AS (
            SELECT v.place, i.target, sum(v.weight) AS resolved, count(*) AS among
            FROM {PLACED_VALUES} v JOIN {TARGET_IDS} i ON i.value = v.value
            GROUP BY v.place, i.target
        ),
        numbered AS (
            SELECT target, number, count(*) OVER (PARTITION BY target ORDER BY number) AS below,
                max(number) OVER (PARTITION BY target) AS largest
            FROM {TARGET_IDS}
            WHERE number IS NOT NULL
        )
        SELECT h.place, h.target, h.resolved, h.among, l.weight, l.different, l.numbers, l.highest, l.lowest, l.mean, n.below, n.largest
        FROM hits h
        JOIN looked_up l ON l.place = h.place
        ASOF LEFT JOIN numbered n ON n.target = h.target AND n.number <= l.highest
        """
    ).fetchall()
    matches = []
    for place, target, resolved, among, weight, different, numbers, highest, lowest, mean, below, largest in rows:
        fit = Fit(
            # Values that do not look like ids were not looked up; they count as values that are not ids.
            share=int(resolved) / int(weight) * places[place].alike / places[place].filled,
            different=int(among),
            highest=int(highest) if numbers else None,
            below=int(below or 0),
            lowest=int(lowest) if numbers else 0,
            mean=float(mean) if numbers else 0.0,
            largest_id=int(largest or 0),
            in_a_row=bool(numbers and weight <= 1.1 * different and highest - lowest + 1 <= 1.05 * different),
        )
        matches.append(_Match(int(place), int(target), _is_meant(places[place], int(target), fit, names), fit))
    return matches


def _is_likely(match: _Match) -> bool:
    if match.named:
        return match.fit.share >= MOSTLY
    return (match.fit.share >= SURELY and match.fit.beats_chance) or (match.fit.nearly_all and match.fit.spreads)


def _is_meant(place: CandidatePlace, target: int, fit: Fit, names: Names) -> bool:
    """Whether the name of a place means a model; a name that may also be that of a number needs fitting values."""
    meaning = names.meant(place.name, several=place.several)
    if target not in meaning.targets:
        return False
    if meaning.strength == "reference" or (meaning.strength == "model" and place.several):
        return True
    return meaning.strength == "model" and fit.nearly_all and (fit.beats_chance or fit.spreads)


def _is_counter(
    cursor: duckdb.DuckDBPyConnection, place: CandidatePlace, match: _Match, targets: Sequence[Table], keys: CheckedKeys
) -> bool:
    """Whether a place's numbers count: by its name, or because they run along with its own table's primary key."""
    if not match.named and match.fit.highest is not None and counts_or_measures(place.name):
        return True
    if place.path or (match.named and place.table.id != targets[match.target].id):
        return False
    return repeats_own_key(cursor, place.table, place.column, keys)


def repeats_own_key(cursor: duckdb.DuckDBPyConnection, own: Table, name: str, keys: CheckedKeys) -> bool:
    """Whether a column only repeats its own table's primary key."""
    if len(own.primary_key) != 1:
        return False
    raw, kinds = keys.raws[own.id], keys.types[own.id]
    column, pk = (text_value(one, kinds[one], raw.encodings.get(one, "native")) for one in (name, own.primary_key[0]))
    (same, filled) = cursor.execute(
        f"SELECT count(*) FILTER ({column} = {pk}), count({identifier(name)}) FROM {relation(own, raw)}"
    ).fetchall()[0]
    return bool(same > MOSTLY * filled)


def _is_declared(place: CandidatePlace) -> bool:
    """Whether the settings declare the place; then `orphaned_references.py` checks it."""
    for reference in place.table.soft_references:
        if reference.column != place.column:
            continue
        if any(not one.path or _covers(parse_json_path(one.path), _path(place)) for one in reference.places):
            return True
    return False


def _covers(declared: JsonPath, found: JsonPath | None) -> bool:
    """Whether a declared path, without its filters, means the same place as a found one."""
    if found is None or declared.keys != found.keys:
        return False
    paths = PathStates((declared,))
    here = paths.settled(paths.start, lambda _: True, is_container=True)
    for step in found.steps[: len(found.steps) - found.keys]:
        if step.into in ("object", "array"):
            below = paths.below(here, step.into, "\x00" if step.name is None else step.name)
            here = paths.settled(below, lambda _: True, is_container=True)
    return bool(paths.keys(here) if found.keys else paths.ends(here))


def _path(place: CandidatePlace) -> JsonPath | None:
    try:
        return parse_json_path(place.path + ("~" if place.of == "key" else ""))
    except ValueError:
        return None  # a whole document, or a key that cannot be written in a path


def _declaration(place: CandidatePlace, target: Table) -> Declaration | None:
    """The declaration for the settings; None if they have no form for such a place."""
    if _is_in_bytes(place):
        return None
    entries = [("column", place.subject), ("target", target.label)]
    if place.path:
        if _path(place) is None:
            return None
        entries.append(("json", place.path + ("~" if place.of == "key" else "")))
    elif place.several:
        entries.append(("separator", place.separator))
    return Declaration(section="soft_references", entries=tuple(entries))


def _is_in_bytes(place: CandidatePlace) -> bool:
    return place.table.column(place.column).logical_type == "binary"


def _assessment(place: CandidatePlace, target: Table, match: _Match) -> Assessment:
    where = f" at {place.path} in its JSON" if place.path else ""
    what = (
        "The keys"
        if place.of == "key"
        else "The values"
        if place.path
        else "The values of its lists"
        if place.several
        else "Its values"
    )
    settings_fix = _declaration(place, target)
    return assessed(
        make_finding(
            "soft-reference",
            place.subject,
            f"{what}{where} look like ids of {target.label}: {match.fit.share:.0%} of the {place.filled:,} examined are"
            + ("." if match.named else ", and only the values say so."),
            count=place.filled,
            fix="A full restore brings the ids back as they were. A merge that gives rows other ids cannot rewrite them in bytes, and "
            "is refused until the column is accepted (--not-a-reference)."
            if _is_in_bytes(place)
            else (
                "A full restore brings the ids back as they were, but nothing checks that their rows exist. "
                "If they are ids, declare a foreign key in the EDMS"
                + (
                    f", or declare them in edms-backup.toml:\n{declaration_text(settings_fix).rstrip()}"
                    if settings_fix is not None
                    else "."
                )
            ),
        ),
        settings_fix,
        by_values_alone=not match.named,
    )
