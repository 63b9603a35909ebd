"""Find the places that are likely to contain ids of rows whose ids change, and the models they refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import duckdb

from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.undeclared.collected_values import IN_NAMES, JOINED_FORM, VALUES, ValuePlace
from edms_tasks.undeclared.ids_in_texts import OTHER_LIST
from edms_tasks.undeclared.likelihood import MOSTLY, SURELY, Fit
from edms_tasks.undeclared.names_of_models import Meaning, Names, counts_or_measures

TARGET_IDS = "undeclared_ids"
"""(target, value, number, moves): the ids of all models, as `collected.VALUES` spells them, and whether each changes."""

_PLACES = "undeclared_places"
_HITS = "undeclared_hits"
_CASES = "undeclared_values_of_places"
_MOST_VALUES = 20_000  # the most different values of a place that are compared with ids
_EXAMPLES = 3
_MOST_TARGETS = 3  # the most models that are suggested for a place whose name means no model
PATHS = frozenset({"list", OTHER_LIST})
"""The forms in which places in a tree are found."""
_UNNAMED = frozenset(
    {"value", "list", JOINED_FORM, "member", "members", "pair", "array", "keys", "key", "first", "sign"}
)  # forms for which values alone are enough
_ANONYMOUS = frozenset({"typed", "typed id", "tag", IN_NAMES})  # forms that only ids have
_COUNTABLE = frozenset(
    {"value", "padded", JOINED_FORM, "member", "word", "element"}
)  # forms in which a number may count something of the model's name


@dataclass(frozen=True)
class Suspect:
    """A place that is likely to contain ids that change."""

    place: ValuePlace
    targets: tuple[int, ...]  # the likeliest first
    hits: int  # values in rows to be written that are changing ids
    examples: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """What is known of one place."""

    place: ValuePlace
    meaning: Meaning
    fits: dict[int, Fit]
    hits: dict[int, int]
    any_share: float  # of the values, those that are ids of any model
    pointed: Mapping[int, int]  # how many foreign keys refer to each model


def find_suspects(
    cursor: duckdb.DuckDBPyConnection,
    targets: Sequence[Table],
    names: Names,
    *,
    by_name_only: Collection[int] = (),
    counters: Collection[str] = (),
    paths: Mapping[str, str] = MappingProxyType({}),
    own: Mapping[str, str] = MappingProxyType({}),
) -> list[Suspect]:
    """Assess every place that contains an id that changes; returns the likely ones.

    Args:
        cursor: where `VALUES` and `TARGET_IDS` are.
        targets: the models, in the order of their numbers in `TARGET_IDS`.
        names: the names by which they are referred to.
        by_name_only: numbers of models that are considered only if a name refers to them.
        counters: columns that increase with their own table's primary key.
        paths: columns whose values are lists that end with the row's own primary key -> the id of their table.
        own: columns that are their table's primary key -> the id of that table, whose ids they hold as a matter of course.
    """
    _tabulate_hits(cursor)
    numbers = {table.id: number for number, table in enumerate(targets)}
    pointed = Counter(
        numbers.get(one.target, -1)
        for table in targets
        for one in table.references
        if isinstance(one, ForeignReference)
    )
    found = []
    for number, case in _cases(cursor, _places(cursor), names, pointed):
        itself = numbers.get(paths.get(case.place.subject, ""))
        if itself is not None and case.place.form in PATHS and case.hits.get(itself):
            suspected: tuple[int, ...] = (itself,)  # few as the values may be, that is no coincidence
        else:
            case = _without(case, numbers.get(own.get(case.place.subject, "")))
            suspected = _suspected(case, frozenset(by_name_only), is_counter=case.place.subject in counters)
        if suspected:
            hits = sum(case.hits.get(target, 0) for target in suspected)
            found.append(Suspect(case.place, suspected, hits, _examples(cursor, number, suspected)))
    return found


def _without(case: _Case, target: int | None) -> _Case:
    """What is known of a place without what is known of one model."""
    if target is None:
        return case
    fits = {one: fit for one, fit in case.fits.items() if one != target}
    return replace(case, fits=fits, hits={one: count for one, count in case.hits.items() if one != target})


def _tabulate_hits(cursor: duckdb.DuckDBPyConnection) -> None:
    """The places that hold a value, in what would be written, that is an id that changes; how often, and a few of them."""
    moving = f"(SELECT target, value FROM {TARGET_IDS} WHERE moves)"
    cursor.execute(
        f"CREATE OR REPLACE TABLE {_HITS} AS SELECT v.subject, v.form, v.name, m.target, CAST(sum(v.touched) AS BIGINT) AS touched, "
        f"min(v.value, {_EXAMPLES}) AS examples FROM {VALUES} v JOIN {moving} m ON m.value = v.value WHERE v.touched > 0 GROUP BY ALL"
    )
    cursor.execute(
        f"CREATE OR REPLACE TABLE {_PLACES} AS SELECT row_number() OVER (ORDER BY subject, form, name) AS place, * FROM ("
        f"SELECT DISTINCT v.subject, v.form, v.name, v.several FROM {VALUES} v SEMI JOIN {_HITS} h "
        "ON h.subject = v.subject AND h.form = v.form AND h.name = v.name)"
    )


def _places(cursor: duckdb.DuckDBPyConnection) -> list[tuple[int, ValuePlace]]:
    found = cursor.execute(f"SELECT place, subject, form, name, several FROM {_PLACES} ORDER BY place").fetchall()
    return [
        (int(n), ValuePlace(str(subject), str(form), str(name), bool(several)))
        for n, subject, form, name, several in found
    ]


def _tabulate_cases(cursor: duckdb.DuckDBPyConnection) -> None:
    """The values of all places, of large ones a sample chosen by a hash: every value was compared with the ids that change."""
    cursor.execute(
        f"""
        CREATE OR REPLACE TABLE {_CASES} AS
        WITH counted AS (
            SELECT p.place, p.subject, p.form, p.name, greatest(1, CAST(ceil(count(*) / {_MOST_VALUES}) AS BIGINT)) AS every
            FROM {VALUES} v JOIN {_PLACES} p ON {_same("v", "p")}
            GROUP BY ALL
        )
        SELECT c.place, c.every, v.value, v.number, v.weight
        FROM {VALUES} v JOIN counted c ON {_same("v", "c")}
        WHERE c.every = 1 OR hash(v.value) % c.every = 0
        """
    )


def _cases(
    cursor: duckdb.DuckDBPyConnection,
    places: Sequence[tuple[int, ValuePlace]],
    names: Names,
    pointed: Mapping[int, int],
) -> Iterator[tuple[int, _Case]]:
    """What is known of each place; a few queries for all of them, since texts may have thousands."""
    _tabulate_cases(cursor)
    known = _values_of_places(cursor)
    fits = _fits(cursor, known)
    hits: dict[int, dict[int, int]] = {}
    for place, target, count in cursor.execute(
        f"SELECT p.place, h.target, sum(h.touched) FROM {_HITS} h JOIN {_PLACES} p ON {_same('h', 'p')} GROUP BY ALL ORDER BY 1, 2"
    ).fetchall():
        hits.setdefault(int(place), {})[int(target)] = int(count)
    for number, place in places:
        meaning = names.meant(place.word, several=place.several or place.form in ("word", IN_NAMES))
        yield (
            number,
            _Case(place, meaning, fits.get(number, {}), hits.get(number, {}), known[number].any_share, pointed),
        )


@dataclass(frozen=True)
class _Values:
    """The values of a place, in numbers."""

    weight: int
    any_share: float  # of the values, those that are ids of any model
    highest: int | None
    lowest: int | None
    mean: float | None
    in_a_row: bool


def _values_of_places(cursor: duckdb.DuckDBPyConnection) -> dict[int, _Values]:
    rows = cursor.execute(
        f"SELECT place, any_value(every), sum(weight), count(*) FILTER (value <> ''), count(number), max(number), min(number), "
        f"sum(CAST(number AS DOUBLE) * weight) / sum(weight) FILTER (number IS NOT NULL), "
        f"sum(weight) FILTER (value IN (SELECT value FROM {TARGET_IDS})) FROM {_CASES} GROUP BY place"
    ).fetchall()
    found = {}
    for place, every, weight, different, plain, highest, lowest, mean, of_any in rows:
        numbers = plain == different and plain > 0
        in_a_row = numbers and weight <= 1.1 * different and highest - lowest + 1 <= 1.05 * different * every
        found[int(place)] = _Values(int(weight), int(of_any or 0) / int(weight), highest, lowest, mean, bool(in_a_row))
    return found


def _fits(cursor: duckdb.DuckDBPyConnection, known: Mapping[int, _Values]) -> dict[int, dict[int, Fit]]:
    """Place -> model -> how well the place's values are ids of it."""
    rows = cursor.execute(
        f"""
        WITH fits AS (
            SELECT v.place, i.target, sum(v.weight) AS resolved, count(*) AS different
            FROM {_CASES} v JOIN {TARGET_IDS} i ON i.value = v.value
            GROUP BY ALL
        ),
        ends AS (SELECT place, coalesce(max(number), 0) AS highest FROM {_CASES} GROUP BY place),
        numbers AS (
            SELECT target, number, count(*) OVER (PARTITION BY target ORDER BY number) AS below
            FROM {TARGET_IDS}
            WHERE number IS NOT NULL
        ),
        largest AS (SELECT target, max(number) AS largest FROM {TARGET_IDS} GROUP BY target)
        SELECT f.place, f.target, f.resolved, f.different, coalesce(n.below, 0), l.largest
        FROM fits f
            JOIN ends e USING (place)
            JOIN largest l USING (target)
            ASOF LEFT JOIN numbers n ON n.target = f.target AND e.highest >= n.number
        ORDER BY f.place, f.target  -- of models that fit alike, the same one each time
        """
    ).fetchall()
    found: dict[int, dict[int, Fit]] = {}
    for place, target, resolved, different, below, largest in rows:
        its = known[int(place)]
        # Some of a place's values may be numbers and some UUIDs: those that are ids of the model are of its kind.
        is_number = largest is not None
        found.setdefault(int(place), {})[int(target)] = Fit(
            share=int(resolved) / its.weight,
            different=int(different),
            highest=int(its.highest or 0) if is_number else None,
            below=int(below),
            lowest=int(its.lowest or 0) if is_number else 0,
            mean=float(its.mean or 0.0) if is_number else 0.0,
            largest_id=int(largest or 0),
            in_a_row=its.in_a_row,
        )
    return found


def _suspected(case: _Case, by_name_only: frozenset[int], *, is_counter: bool) -> tuple[int, ...]:
    """The models whose ids a place is likely to hold, among those whose ids change; none if it is likely to hold none."""
    known = {target: case.fits[target] for target in case.hits if target in case.fits}
    uuids = [target for target, fit in known.items() if fit.highest is None and fit.share >= MOSTLY]
    if uuids:
        return tuple(sorted(uuids))
    meant = _meant(case)
    if meant is not None:
        return meant
    others = {target: fit for target, fit in case.fits.items() if target not in by_name_only}
    if case.place.form == "chosen":
        return _ranked(case, {target: fit for target, fit in others.items() if fit.share == 1.0})
    if is_counter or counts_or_measures(case.place.word):
        return ()
    if case.meaning.strength == "id" or case.place.form in _ANONYMOUS:
        return _ranked(case, others) if case.any_share >= SURELY else ()
    if case.place.form not in _UNNAMED:
        return ()
    likely = {
        target: fit
        for target, fit in others.items()
        if fit.nearly_all and (fit.beats_chance or fit.spreads or fit.covers)
    }
    if not likely:
        return ()
    # The model whose ids they fit best: far better than chance, or ending where its ids end.
    best = max(likely, key=lambda target: (likely[target].likelihood, -likely[target].largest_id))
    return (best,) if case.hits.get(best) else ()


def _meant(case: _Case) -> tuple[int, ...] | None:
    """What follows from a model's name; None where the name is of none, or the values contradict it."""
    named = {target: case.fits[target] for target in case.meaning.targets if target in case.fits}
    if case.meaning.strength == "reference":
        named = {target: fit for target, fit in named.items() if fit.share >= MOSTLY}
    elif case.meaning.strength == "model":
        certain = case.place.form not in _COUNTABLE or not counts_or_measures(case.place.word)
        named = {
            target: fit
            for target, fit in named.items()
            if fit.nearly_all and (certain or fit.beats_chance or fit.spreads)
        }
    else:
        return None
    return _ranked(case, named) if named else None


def _ranked(case: _Case, fits: dict[int, Fit]) -> tuple[int, ...]:
    """Those of the models whose ids the place holds and which change, the best fit first."""
    hit = [target for target in fits if case.hits.get(target)]
    best = sorted(
        hit,
        key=lambda target: (
            -fits[target].share, -fits[target].likelihood, fits[target].largest_id, -case.pointed.get(target, 0)
        ),
    )  # fmt: skip
    return tuple(best[:_MOST_TARGETS])


def _examples(cursor: duckdb.DuckDBPyConnection, number: int, targets: Sequence[int]) -> tuple[str, ...]:
    wanted = ", ".join(str(target) for target in targets)
    found = cursor.execute(
        f"SELECT h.examples FROM {_HITS} h JOIN {_PLACES} p ON p.place = {number} AND {_same('h', 'p')} WHERE h.target IN ({wanted})"
    ).fetchall()
    return tuple(sorted({str(value) for (values,) in found for value in values})[:_EXAMPLES])


def _same(one: str, other: str) -> str:
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in ("subject", "form", "name"))
