"""Ids in JSON, at declared paths. Content text: the document as a sorted list of [steps, value].

A document is walked down level by level, all documents at once, and only where a declared path can still lead to ids;
what lies beside the paths stays as it is, in one piece. Members are sorted because an engine that keeps them sorted
(jsonb) sorts by the id where the id is the key.

Each node has a state: how far the paths have been followed to it (`path_states.py`). States have numbers, and a node's is found
from that of the node above, its key and the filters that it passes, by a join with what occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import duckdb

from edms_tasks.quoting import literal
from edms_tasks.soft.id_lookup import Ids, json_text, marked, together
from edms_tasks.soft.json_filters import Filter
from edms_tasks.soft.path_filters import with_filtered_places
from edms_tasks.soft.path_states import Container, PathStates, Progress
from edms_tasks.soft.readings import Spot

_NODES = "soft_nodes"
_ARRIVED = "soft_nodes_arrived"
_HERE = "soft_nodes_here"
_MEMBERS = "soft_nodes_members"
_ENTRIES = "soft_entries"
BROKEN = "soft_broken"
"""A relation of `n`: the texts in which a string is not the JSON that a path goes into."""
_NOWHERE = -1  # the state in which no path continues
_SCALARS = "('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT')"

InTexts = Callable[[str, Sequence[Spot], Sequence[Ids]], str]
"""SQL from a relation of (n, text) to (n, content, marks) for ids in texts (`texts.of_texts`)."""


def of_paths(
    cursor: duckdb.DuckDBPyConnection, source: str, spots: Sequence[Spot], ids: Sequence[Ids], in_texts: InTexts
) -> str:
    """SQL of (n, content, r0, r1, …) for a relation of (n, text); what it selects from is made at once.

    A text that is no JSON has itself as content, as a JSON string.
    """
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {_NODES} AS SELECT n, 0 AS state, '' AS steps, CAST(text AS JSON) AS value "
        # White space is removed now, because extracted parts will have none.
        f"FROM (SELECT n, CASE WHEN json_valid(text) THEN json(text) END AS text FROM {source}) WHERE text IS NOT NULL"
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_ENTRIES} (n BIGINT, entry VARCHAR, ref INTEGER, mark VARCHAR)")
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {BROKEN} (n BIGINT)")
    walk = _Walk(cursor, spots, ids, in_texts)
    while walk.level():
        pass
    own = {spot.reference for spot in spots}
    pointed = "".join(f", {together('mark', of=f'ref = {number}')} AS r{number}" for number in sorted(own))
    references = (
        f"e.r{number}" if number in own else f"CAST(NULL AS VARCHAR) AS r{number}" for number in range(len(ids))
    )
    return f"""
        SELECT
            b.n,
            coalesce('[' || e.entries || ']', {json_text("b.text")}) AS content,
            {", ".join(references)}
        FROM {source} b
            LEFT JOIN (
                SELECT n, array_to_string(list_sort(list(entry) FILTER (entry IS NOT NULL)), ',') AS entries {pointed}
                FROM {_ENTRIES}
                GROUP BY n
            ) e ON e.n = b.n
    """


@dataclass
class _Walk:
    """The walk through all documents of a relation."""

    cursor: duckdb.DuckDBPyConnection
    spots: Sequence[Spot]
    ids: Sequence[Ids]
    in_texts: InTexts
    paths: PathStates = field(init=False)
    states: list[Progress] = field(init=False)  # by number
    filters: list[Filter] = field(init=False)

    def __post_init__(self) -> None:
        self.paths = PathStates(tuple(spot.path for spot in self.spots))
        self.states = [self.paths.start]
        self.filters = [
            condition
            for condition in dict.fromkeys(step.condition for path in self.paths.paths for step in path.steps)
            if condition is not None
        ]

    def level(self) -> bool:
        """Turn the nodes of one level into entries and the nodes of the next; returns whether there were any."""
        found = self._settle()
        if found is None:
            return False
        settled, here = found
        values: dict[int, list[int]] = {}  # reference -> the states in which a scalar is an id of it
        texts: dict[tuple[Spot, ...], list[int]] = {}  # the states in which a string holds ids
        keys: dict[int, list[int]] = {}  # reference -> the states in which the keys are ids of it
        for state in here:
            ends = [self.spots[path] for path in self.paths.ends(self.states[state])]
            if ends and ends[0].place.form == "value":
                values.setdefault(ends[0].reference, []).append(state)
            elif ends:
                alike = tuple(one for one in ends if one.place.form == ends[0].place.form)
                texts.setdefault(alike, []).append(state)
            if named := self.paths.keys(self.states[state]):
                keys.setdefault(self.spots[named[0]].reference, []).append(state)
        self._decide(settled, here, values, texts, keys)
        # What does not occur is left out: for small tables, preparing its queries would be most of the work.
        occurring = set(self.cursor.execute(f"SELECT DISTINCT action, state FROM {_HERE}").fetchall())
        actions = {action for action, _ in occurring}
        for reference, states in values.items():
            if any(("id", state) in occurring for state in states):
                self._insert_ids(reference, states)
        for spots, states in texts.items():
            if any(("text", state) in occurring for state in states):
                self._insert_texts(spots, states)
        if "plain" in actions:
            self.cursor.execute(
                f"INSERT INTO {_ENTRIES} SELECT n, '[[' || steps || '],' || CAST(value AS VARCHAR) || ']', NULL, NULL "
                f"FROM {_HERE} WHERE action = 'plain'"
            )
        if "open" in actions:
            self._open(keys)
        else:
            self.cursor.execute(f"TRUNCATE {_NODES}")
        if "string" in actions:
            self._enter_strings(here)
        return "open" in actions or "string" in actions

    def _settle(self) -> tuple[str, list[int]] | None:
        """This level's nodes as a relation, with the states in which they settle, and these states; None without nodes."""
        arrived = [int(state) for (state,) in self.cursor.execute(f"SELECT DISTINCT state FROM {_NODES}").fetchall()]
        if not arrived:
            return None
        filters = [
            (one, _among("state", [states]))
            for one in self.filters
            if (states := [state for state in arrived if one in self.paths.filters(self.states[state])])
        ]
        nodes = with_filtered_places(_NODES, filters)
        passed = " || ".join(
            f"CASE WHEN {applies} AND {nodes.passes(one)} THEN '1' ELSE '0' END" for one, applies in filters
        )
        scalar = f"CASE WHEN json_type(value) IN {_SCALARS} THEN value ->> '$' END"
        self.cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_ARRIVED} AS SELECT n, state, steps, value, json_type(value) AS kind, {scalar} AS atom, "
            f"json_type(value) IN ('OBJECT', 'ARRAY') AS holds, {passed or literal('')} AS passed FROM {nodes.relation}"
        )
        found = self.cursor.execute(f"SELECT DISTINCT state, holds, passed FROM {_ARRIVED} ORDER BY ALL").fetchall()
        rows, settled = [], set()
        for state, holds, flags in found:
            let_through = {one for (one, _), flag in zip(filters, flags, strict=True) if flag == "1"}
            progress = self.paths.settled(self.states[state], let_through.__contains__, is_container=holds)
            settled.add(self._number(progress))
            rows.append(f"({state}, {holds}, {literal(flags)}, {self._number(progress)})")
        relation = (
            f"(SELECT h.n, s.settled AS state, h.steps, h.value, h.kind, h.atom FROM {_ARRIVED} h "
            f"JOIN (VALUES {', '.join(rows)}) s(state, holds, passed, settled) USING (state, holds, passed))"
        )
        return relation, sorted(settled - {_NOWHERE})

    def _decide(
        self,
        settled: str,
        here: Sequence[int],
        values: dict[int, list[int]],
        texts: dict[tuple[Spot, ...], list[int]],
        keys: dict[int, list[int]],
    ) -> None:
        """Make the relation of this level's nodes with what is done with each."""
        with_keys = {state for states in keys.values() for state in states}
        into_objects = [one for one in here if one in with_keys or self.paths.goes_into(self.states[one], "object")]
        into_arrays = [one for one in here if self.paths.goes_into(self.states[one], "array")]
        strings = [one for one in here if self.paths.through_string(self.states[one])]
        self.cursor.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {_HERE} AS
            SELECT *, CASE
                WHEN {_among("state", values.values())} AND atom <> '' THEN 'id'
                WHEN {_among("state", texts.values())} AND kind = 'VARCHAR' AND atom <> '' THEN 'text'
                WHEN {_among("state", [strings])} AND kind = 'VARCHAR' AND json_valid(atom) THEN 'string'
                -- Without members a container has nothing to descend to, and stands for itself.
                WHEN {_among("state", [into_objects])} AND kind = 'OBJECT' AND CAST(value AS VARCHAR) <> '{{}}' THEN 'open'
                WHEN {_among("state", [into_arrays])} AND kind = 'ARRAY' AND CAST(value AS VARCHAR) <> '[]' THEN 'open'
                ELSE 'plain' END AS action
            FROM {settled}
            """
        )
        if strings:
            self.cursor.execute(
                f"INSERT INTO {BROKEN} SELECT n FROM {_HERE} WHERE action = 'plain' AND {_among('state', [strings])} "
                "AND kind = 'VARCHAR' AND trim(atom) <> ''"
            )

    def _insert_ids(self, reference: int, states: Sequence[int]) -> None:
        mark = marked("i", "h.atom")
        written = "CASE h.kind WHEN 'VARCHAR' THEN 'string' ELSE 'number' END"
        self.cursor.execute(
            f"""
            INSERT INTO {_ENTRIES}
            SELECT h.n, '[[' || h.steps || '],"' || {written} || '",' || {mark} || ']', {reference}, {mark}
            FROM (SELECT * FROM {_HERE} WHERE action = 'id' AND {_among("state", [states])}) h
                {self.ids[reference].join("i", "h.atom")}
            """
        )

    def _insert_texts(self, spots: Sequence[Spot], states: Sequence[int]) -> None:
        self.cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_HERE}_texts AS SELECT row_number() OVER () AS n, n AS document, steps, atom AS text "
            f"FROM {_HERE} WHERE action = 'text' AND {_among('state', [states])}"
        )
        read = self.in_texts(f"(SELECT n, text FROM {_HERE}_texts)", spots, self.ids)
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_HERE}_read AS {read}")
        # The form says how the content is to be read.
        form = literal(f'],"{spots[0].place.form}",')
        self.cursor.execute(
            f"INSERT INTO {_ENTRIES} SELECT t.document, '[[' || t.steps || {form} || r.content || ']', NULL, NULL "
            f"FROM {_HERE}_texts t JOIN {_HERE}_read r ON r.n = t.n"
        )
        self.cursor.execute(
            f"INSERT INTO {_ENTRIES} SELECT document, NULL, one.ref, one.mark FROM "
            f"(SELECT t.document, unnest(r.marks) AS one FROM {_HERE}_texts t JOIN {_HERE}_read r ON r.n = t.n)"
        )

    def _open(self, keys: dict[int, list[int]]) -> None:
        """Make nodes of containers' members; those that no path goes on with become entries."""
        step = json_text("m.key")
        joins, key_marks = [], []
        for reference, states in keys.items():
            is_key = f"m.kind = 'OBJECT' AND m.key <> '' AND {_among('m.state', [states])}"
            joins.append(self.ids[reference].join(f"i{reference}", f"CASE WHEN {is_key} THEN m.key END"))
            key_marks.append((reference, is_key, marked(f"i{reference}", "m.key")))
            step = f"CASE WHEN {is_key} THEN {key_marks[-1][2]} ELSE {step} END"
        names = {one.name for path in self.paths.paths for one in path.steps if one.name is not None}
        # Members that no path names lead to the same state, so they need not be distinguished.
        named = (
            f"CASE WHEN m.key IN ({', '.join(literal(name) for name in sorted(names))}) THEN 'n' || m.key ELSE '' END"
        )
        marks = "".join(
            f", CASE WHEN {is_key} THEN {mark} END AS k{reference}" for reference, is_key, mark in key_marks
        )
        self.cursor.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {_MEMBERS} AS
            SELECT
                m.n,
                m.state,
                m.kind,
                {named if names else "''"} AS name,
                m.steps || CASE WHEN m.steps = '' THEN '' ELSE ',' END
                    || CASE WHEN m.kind = 'ARRAY' THEN CAST(m.key AS VARCHAR) ELSE {step} END AS steps,
                m.value
                {marks}
            FROM ({_members(_HERE)}) m
                {" ".join(joins)}
            """
        )
        for reference, _, _ in key_marks:
            self.cursor.execute(
                f"INSERT INTO {_ENTRIES} SELECT n, NULL, {reference}, k{reference} FROM {_MEMBERS} "
                f"WHERE k{reference} IS NOT NULL"
            )
        moves = self._moves()
        self.cursor.execute(
            f"INSERT INTO {_ENTRIES} SELECT n, '[[' || m.steps || '],' || CAST(m.value AS VARCHAR) || ']', NULL, NULL "
            f"FROM {_MEMBERS} m JOIN {moves} USING (state, kind, name) WHERE next < 0"
        )
        self.cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_NODES} AS SELECT m.n, next AS state, m.steps, m.value "
            f"FROM {_MEMBERS} m JOIN {moves} USING (state, kind, name) WHERE next >= 0"
        )

    def _moves(self) -> str:
        """A relation of (state, kind, name, next): where each kind of member that occurs leads."""
        found = self.cursor.execute(f"SELECT DISTINCT state, kind, name FROM {_MEMBERS} ORDER BY ALL").fetchall()
        rows = []
        for state, kind, name in found:
            container: Container = "object" if kind == "OBJECT" else "array"
            # A name that no path can contain.
            below = self.paths.below(self.states[state], container, name[1:] if name else "\x00")
            rows.append(f"({state}, {literal(kind)}, {literal(name)}, {self._number(below)})")
        if not rows:
            return f"(SELECT 0 AS state, '' AS kind, '' AS name, {_NOWHERE} AS next WHERE false)"
        return f"(VALUES {', '.join(rows)}) moves(state, kind, name, next)"

    def _enter_strings(self, here: Sequence[int]) -> None:
        """Make nodes of the JSON that strings are; the step into one is a null."""
        inner = {one: self.paths.through_string(self.states[one]) for one in here}
        cases = " ".join(f"WHEN {one} THEN {self._number(progress)}" for one, progress in inner.items() if progress)
        if not cases:
            return
        steps = "steps || CASE WHEN steps = '' THEN '' ELSE ',' END || 'null'"
        self.cursor.execute(
            f"INSERT INTO {_NODES} SELECT n, CASE state {cases} END, {steps}, "
            f"CAST(CASE WHEN action = 'string' THEN json(atom) END AS JSON) FROM {_HERE} WHERE action = 'string'"
        )

    def _number(self, progress: Progress) -> int:
        if not progress:
            return _NOWHERE
        if progress not in self.states:
            self.states.append(progress)
        return self.states.index(progress)


def _members(nodes: str) -> str:
    """SELECT (n, state, kind, steps, key, value) of the members of containers.

    Not by a join with `json_each(value)`: it holds the whole container once for each of its members.
    """
    return f"""
        SELECT n, state, kind, steps, unnest(keys) AS key, unnest(members) AS value
        FROM (
            SELECT n, state, kind, steps, members, CASE kind WHEN 'OBJECT' THEN json_keys(value)
                ELSE list_transform(range(len(members)), lambda place: CAST(place AS VARCHAR)) END AS keys
            FROM (
                SELECT *, CASE kind WHEN 'OBJECT' THEN json_extract(value, '$.*') ELSE json_extract(value, '$[*]') END AS members
                FROM {nodes}
                WHERE action = 'open'
            )
        )
    """


def _among(expression: str, groups: Iterable[Iterable[int]]) -> str:
    """SQL: whether an expression is one of these numbers."""
    numbers = sorted({number for group in groups for number in group})
    return f"{expression} IN ({', '.join(map(str, numbers))})" if numbers else "false"
