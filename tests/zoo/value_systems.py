"""Two systems to merge that refer by codes and by several columns, and keep computed and partial values unique: random rows by name.

What must come of a merge is computed from the names alone: the rows that there will be, or that there can be none, because a code would
lead elsewhere, rows would share a unique value, or would have to exchange codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.zoo.system_database import Connected

TABLES = ("trip", "remark", "leaf", "office", "volume", "shift", "log")
KEYS = {"office": ["name"], "shift": ["name"]}
Named = dict[str, tuple[Any, ...]]  # name -> what the row says


@dataclass(frozen=True)
class ValueSystem:
    """A system's rows by name, and their ids: those of a table are the numbers of its names in an order of the system's own."""

    offices: Mapping[str, str]  # name -> code
    trips: Mapping[str, str]  # name -> name of an office
    leaves: Mapping[str, tuple[str, int]]  # name of a remark -> name of a volume, number
    shifts: Mapping[str, tuple[int, str, str, int, bool]]  # name -> place, word, motto, lamp, whether it is on
    first_id: int
    backwards: bool

    def ids(self, names: Iterator[str] | list[str]) -> dict[str, int]:
        ordered = sorted(set(names), reverse=self.backwards)
        return {name: number for number, name in enumerate(ordered, self.first_id)}


@st.composite
def value_systems(draw: st.DrawFn) -> ValueSystem:
    """A system with up to four rows of each kind."""
    offices = draw(_named(st.sampled_from("ABCDE"), unique=True))
    shifts = draw(_named(st.integers(1, 6), unique=True))
    words, mottos = (draw(st.permutations(("one", "two", "three", "four"))) for _ in range(2))
    lamps = draw(st.permutations(range(4)))
    return ValueSystem(
        offices,
        draw(_named(st.sampled_from(sorted(offices)))) if offices else {},
        draw(_named(st.tuples(st.sampled_from("vwx"), st.integers(1, 2)))),
        {
            name: (place, _spelled(draw, words[number]), _spelled(draw, mottos[number]), lamp, on)
            for number, (name, place) in enumerate(shifts.items())
            for on in [draw(st.booleans())]
            # Where it is off, the lamp may be that of another.
            for lamp in [lamps[number] if on else draw(st.integers(0, 3))]
        },
        draw(st.integers(1, 3)),
        draw(st.booleans()),
    )


def _named(values: st.SearchStrategy[Any], *, unique: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    rows = st.lists(
        st.tuples(st.sampled_from("pqrs"), values),
        max_size=4,
        unique_by=(lambda row: row[0], lambda row: row[1]) if unique else (lambda row: row[0]),
    )
    return rows.map(dict)


def _spelled(draw: st.DrawFn, word: str) -> str:
    return word.upper() if draw(st.booleans()) else word


def make_tables(database: Connected, *, postgresql: bool) -> None:
    """Create the tables; whoever writes an office by hand is noted in the log."""
    counted = "serial PRIMARY KEY" if postgresql else "integer PRIMARY KEY AUTOINCREMENT"
    for statement in (
        f"CREATE TABLE office (id {counted}, name varchar(9) NOT NULL UNIQUE, code varchar(9) NOT NULL UNIQUE)",
        f"CREATE TABLE trip (id {counted}, name varchar(9) NOT NULL UNIQUE, code varchar(9) NOT NULL REFERENCES office (code))",
        f"CREATE TABLE volume (id {counted}, name varchar(9) NOT NULL UNIQUE)",
        "CREATE TABLE leaf (volume_id integer NOT NULL REFERENCES volume (id), number integer NOT NULL, PRIMARY KEY (volume_id, number))",
        f"CREATE TABLE remark (id {counted}, name varchar(9) NOT NULL UNIQUE, volume_id integer NOT NULL, number integer NOT NULL, "
        "FOREIGN KEY (volume_id, number) REFERENCES leaf (volume_id, number))",
        f"CREATE TABLE shift (id {counted}, name varchar(9) NOT NULL UNIQUE, place integer NOT NULL UNIQUE, word varchar(9) NOT NULL, "
        "motto varchar(9) NOT NULL, lamp integer NOT NULL, lit integer NOT NULL, "
        f"small varchar(9) GENERATED ALWAYS AS (lower(motto)) STORED UNIQUE)",
        "CREATE UNIQUE INDEX word_of_shift ON shift (lower(word))",
        "CREATE UNIQUE INDEX lamp_of_shift ON shift (lamp) WHERE lit = 1",
        "CREATE TABLE log (what varchar(9))",
        "CREATE RULE noted AS ON INSERT TO office DO ALSO INSERT INTO log VALUES (new.name)"
        if postgresql
        else "CREATE TRIGGER noted AFTER INSERT ON office BEGIN INSERT INTO log VALUES (new.name); END",
    ):
        database.execute(statement)


def fill(database: Connected, system: ValueSystem, *, postgresql: bool) -> None:
    """Replace all rows."""
    database.ignore_references()
    for table in TABLES:
        database.execute(f"TRUNCATE {table} RESTART IDENTITY CASCADE" if postgresql else f"DELETE FROM {table}")
    if not postgresql:
        database.execute("DELETE FROM sqlite_sequence")
    offices, volumes = system.ids(list(system.offices)), system.ids([one for one, _ in system.leaves.values()])
    for name, code in system.offices.items():
        database.execute("INSERT INTO office (id, name, code) VALUES (?, ?, ?)", (offices[name], name, code))
    for name, office in system.trips.items():
        database.execute("INSERT INTO trip (name, code) VALUES (?, ?)", (name, system.offices[office]))
    for name, number in volumes.items():
        database.execute("INSERT INTO volume (id, name) VALUES (?, ?)", (number, name))
    for volume, page in sorted(set(system.leaves.values())):
        database.execute("INSERT INTO leaf (volume_id, number) VALUES (?, ?)", (volumes[volume], page))
    for name, (volume, page) in system.leaves.items():
        database.execute("INSERT INTO remark (name, volume_id, number) VALUES (?, ?, ?)", (name, volumes[volume], page))
    shifts = system.ids(list(system.shifts))
    for name, (place, word, motto, lamp, on) in system.shifts.items():
        database.execute(
            "INSERT INTO shift (id, name, place, word, motto, lamp, lit) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (shifts[name], name, place, word, motto, lamp, int(on)),
        )
    database.execute("DELETE FROM log")
    if postgresql:
        for table in ("office", "volume", "shift"):
            database.execute(f"SELECT setval('{table}_id_seq', GREATEST(max(id), 1), max(id) IS NOT NULL) FROM {table}")


def said(database: Connected) -> dict[str, Named]:
    """What the rows say, by names."""
    queries = {
        "offices": "SELECT name, code FROM office",
        "trips": "SELECT t.name, o.name FROM trip t LEFT JOIN office o ON o.code = t.code",
        "leaves": "SELECT r.name, v.name, l.number FROM remark r LEFT JOIN leaf l ON l.volume_id = r.volume_id AND l.number = r.number "
        "LEFT JOIN volume v ON v.id = l.volume_id",
        "shifts": "SELECT name, place, word, motto, lamp, lit FROM shift",
        "log": "SELECT what FROM log",
    }
    return {what: {str(row[0]): tuple(row[1:]) for row in database.execute(query)} for what, query in queries.items()}


def says(system: ValueSystem) -> dict[str, Named]:
    """The same of a system before it is written."""
    return {
        "offices": {name: (code,) for name, code in system.offices.items()},
        "trips": {name: (office,) for name, office in system.trips.items()},
        "leaves": dict(system.leaves),
        "shifts": {name: (*row[:-1], int(row[-1])) for name, row in system.shifts.items()},
        "log": {},
    }


def together(mine: ValueSystem, theirs: ValueSystem, *, overwrites: bool) -> dict[str, Named] | None:
    """What the rows say after a merge; None if it is not possible."""
    first, second = (theirs, mine) if overwrites else (mine, theirs)
    merged = {what: rows | says(second)[what] for what, rows in says(first).items()}
    if not _codes_lead_where_they_led(mine, theirs, merged, overwrites=overwrites):
        return None
    kinds = {"offices": _held_by_an_office, "shifts": _held_by_a_shift}
    for what, held in kinds.items():
        values = [value for row in merged[what].values() for value in held(row)]
        if len(values) != len(set(values)):
            return None
        # Others refer to an office's code, so none can give it up for a moment.
        if what == "offices" and overwrites and _exchange(says(mine)[what], says(theirs)[what], held):
            return None
    return merged


def _codes_lead_where_they_led(
    mine: ValueSystem, theirs: ValueSystem, merged: dict[str, Named], *, overwrites: bool
) -> bool:
    """Whether the code of each trip that there will be, which no merge rewrites, is that of the same office."""
    offices = {code: name for name, (code,) in merged["offices"].items()}
    for system, other, wins in ((mine, theirs, overwrites), (theirs, mine, not overwrites)):
        for name, office in system.trips.items():
            code = system.offices[office]
            is_replaced = name in other.trips and other.offices[other.trips[name]] != code and not wins
            if not is_replaced and offices.get(code) != office:
                return False
    return True


def _held_by_an_office(row: tuple[Any, ...]) -> list[Any]:
    return [("code", row[0])]


def _held_by_a_shift(row: tuple[Any, ...]) -> list[Any]:
    place, word, motto, lamp, lit = row
    return [("place", place), ("word", word.lower()), ("motto", motto.lower()), *([("lamp", lamp)] if lit else [])]


def _exchange(mine: Named, theirs: Named, held: Any) -> bool:
    """Whether rows to be updated wait for each other in a circle."""
    updated = {name for name in mine if name in theirs and mine[name] != theirs[name]}
    holders = {value: name for name in updated for value in held(theirs[name])}
    waits = {
        name: {holders[value] for value in held(mine[name]) if holders.get(value, name) != name} for name in updated
    }
    while waits:
        free = {name for name, others in waits.items() if not others & waits.keys()}
        if not free:
            return True
        waits = {name: others for name, others in waits.items() if name not in free}
    return False
