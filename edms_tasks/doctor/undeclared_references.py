"""Find undeclared soft references: places with ids of one model in plain columns, in lists, in JSON.

A small number is an id in every table, so it means little that values are ids. A place is reported only if most of its
values are ids of a model *and* there is another sign: its name (`document_id`, `$.document_ids[*]`), or so many values that
they are hardly ids by chance. It is reported as a suspicion, with the share of its values that are ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.digests.value_text import text_value
from edms_tasks.doctor.assessment import Assessment, Declaration, assessed, declaration_text
from edms_tasks.doctor.id_candidates import PLACED_VALUES, Place, tabulate_places
from edms_tasks.doctor.samples import Sample
from edms_tasks.findings import make_finding
from edms_tasks.inventory.json_paths import JsonPath, parse_json_path
from edms_tasks.inventory.model import CONTENT_TYPES, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier
from edms_tasks.scratch.workspace import relation
from edms_tasks.soft.path_states import PathStates
from edms_tasks.undeclared.likelihood import MOSTLY, SURELY, Fit
from edms_tasks.undeclared.names_of_models import Names

_IDS = "soft_ids"
# Tables of Django itself, whose small ids match any column of numbers.
_NOT_MEANT = {CONTENT_TYPES, "django_migrations", "django_session", "auth_permission"}


@dataclass(frozen=True)
class _Match:
    """The comparison of a place's values with one model's ids."""

    place: int
    target: int
    share: float  # of the place's values, those that are ids of the model
    different: int  # different ones of them
    highest: int | None  # the largest number looked up; None where some are UUIDs
    named: bool  # the place's name means the model


def assess_soft_references(
    cursor: duckdb.DuckDBPyConnection, samples: Sequence[Sample], keys: CheckedKeys
) -> list[Assessment]:
    """Report the places whose values look like ids of one model."""
    targets = _tabulate_ids(cursor, keys)
    places = tabulate_places(cursor, samples)
    declared = {number for number, place in enumerate(places) if _is_declared(place)}
    names = Names(targets, keys.tables)
    best: dict[int, _Match] = {}
    for match in _matches(cursor, places, targets, names):
        if match.place in declared:
            continue
        better = best.get(match.place)
        if better is None or (match.named, match.share, match.different) > (
            better.named,
            better.share,
            better.different,
        ):
            best[match.place] = match
    return [
        _assessment(places[match.place], targets[match.target], match)
        for match in best.values()
        if not _repeats_own_key(cursor, places[match.place], targets[match.target], keys)
    ]


def _tabulate_ids(cursor: duckdb.DuckDBPyConnection, keys: CheckedKeys) -> list[Table]:
    """Make one relation of all models' ids; returns the tables by their number in it."""
    cursor.execute(f"CREATE OR REPLACE TABLE {_IDS} (target INTEGER, value VARCHAR, number BIGINT)")
    targets: list[Table] = []
    for table in keys.tables.values():
        raw = keys.raws[table.id]
        link = any(reference.kind == "many_to_many" for reference in table.references)
        if table.model is None or link or table.name in _NOT_MEANT or len(table.primary_key) != 1 or not raw.rows:
            continue
        pk = table.primary_key[0]
        if table.column(pk).logical_type not in ("integer", "uuid"):
            continue  # a key that is a word means the same in every system
        value = bare_uuid(text_value(pk, keys.types[table.id][pk], raw.encodings.get(pk, "native")))
        cursor.execute(
            f"INSERT INTO {_IDS} SELECT {len(targets)}, {value}, TRY_CAST({value} AS BIGINT) FROM {relation(table, raw)}"
        )
        targets.append(table)
    return targets


def _matches(
    cursor: duckdb.DuckDBPyConnection, places: Sequence[Place], targets: Sequence[Table], names: Names
) -> list[_Match]:
    """Pairs of a place and a model whose ids the place is likely to contain."""
    rows = cursor.execute(
        f"""
        WITH looked_up AS (
            SELECT place, sum(weight) AS weight, CASE WHEN count(number) = count(*) THEN max(number) END AS highest
            FROM {PLACED_VALUES}
            GROUP BY place
        )
        SELECT v.place, i.target, sum(v.weight), any_value(l.weight), count(*), any_value(l.highest)
        FROM {PLACED_VALUES} v
        JOIN {_IDS} i ON i.value = v.value
        JOIN looked_up l ON l.place = v.place
        GROUP BY v.place, i.target
        """
    ).fetchall()
    matches = []
    for place, target, resolved, weight, different, highest in rows:
        # Values that do not look like ids were not looked up; they count as values that are not ids.
        share = int(resolved) / int(weight) * places[place].alike / places[place].filled
        match = _Match(place, target, share, int(different), highest, target in _meant(places[place], names))
        if _is_likely(cursor, match):
            matches.append(match)
    return matches


def _is_likely(cursor: duckdb.DuckDBPyConnection, match: _Match) -> bool:
    if match.named:
        return match.share >= MOSTLY
    if match.share < SURELY:
        return False
    # The ids that occur are a lower bound of the model's ids up to the highest; count them all only if this bound passes.
    if not Fit(match.share, match.different, match.highest, match.different).beats_chance:
        return False
    below = 0
    if match.highest is not None:
        (below,) = cursor.execute(
            f"SELECT count(*) FROM {_IDS} WHERE target = {match.target} AND number <= {match.highest}"
        ).fetchall()[0]
    return Fit(match.share, match.different, match.highest, int(below)).beats_chance


def _meant(place: Place, names: Names) -> frozenset[int]:
    """The models that the name of a place means."""
    meaning = names.meant(place.name, several=place.several)
    named = meaning.strength == "reference" or (meaning.strength == "model" and place.several)
    return meaning.targets if named else frozenset()


def _repeats_own_key(cursor: duckdb.DuckDBPyConnection, place: Place, target: Table, keys: CheckedKeys) -> bool:
    """Whether a place only repeats its own table's primary key, which is no reference to it."""
    if place.table.id != target.id or place.path or len(target.primary_key) != 1:
        return False
    raw, kinds = keys.raws[target.id], keys.types[target.id]
    column, pk = (
        text_value(name, kinds[name], raw.encodings.get(name, "native"))
        for name in (place.column, target.primary_key[0])
    )
    (same, filled) = cursor.execute(
        f"SELECT count(*) FILTER ({column} = {pk}), count({identifier(place.column)}) FROM {relation(target, raw)}"
    ).fetchall()[0]
    return bool(same > MOSTLY * filled)


def _is_declared(place: Place) -> bool:
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


def _path(place: Place) -> JsonPath | None:
    try:
        return parse_json_path(place.path + ("~" if place.of == "key" else ""))
    except ValueError:
        return None  # a whole document, or a key that cannot be written in a path


def _declaration(place: Place, target: Table) -> Declaration | None:
    """The declaration for the settings; None if they have no form for such a place."""
    entries = [("column", place.subject), ("target", target.label)]
    if place.path:
        if _path(place) is None:
            return None
        entries.append(("json", place.path + ("~" if place.of == "key" else "")))
    elif place.several:
        entries.append(("separator", place.separator))
    return Declaration(section="soft_references", entries=tuple(entries))


def _assessment(place: Place, target: Table, match: _Match) -> Assessment:
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
            f"{what}{where} look like ids of {target.label}: {match.share:.0%} of the {place.filled:,} examined are.",
            count=place.filled,
            fix=(
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
    )
