"""Ids in texts: the whole value, a list with separators, strings of a pattern, or tags. Content text: the text cut at its ids.

Each function is SQL from a relation of (n, text) to (n, content, marks): `content` as docs/format.md §5.5 defines it, and
`marks` as a list of {ref, mark}: what the ids lead to, and the number of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.quoting import literal
from edms_tasks.soft.id_lookup import Ids, json_text, marked
from edms_tasks.soft.readings import Spot, SpotPattern, patterns_of
from edms_tasks.soft.tag_ids import of_tags

BLANKS = r"\s*"
BEFORE, AFTER = r"""[\s"'\[({]*""", r"""[\s"'\])}]*"""
"""Regular expressions for what stands around an id, and around the members of lists: `[1, 2]`, `{1,2}`, `(1, 2)`, `["a", "b"]`."""


def of_texts(source: str, spots: Sequence[Spot], ids: Sequence[Ids]) -> str:
    """SQL for texts with ids in the form that all spots have."""
    first = spots[0]
    if first.place.form == "pattern":
        return _of_patterns(source, spots, ids)
    if first.place.form == "tag":
        return of_tags(source, spots, ids)
    if first.place.form == "list":
        return _of_list(source, first, ids[first.reference])
    return _of_value(source, first, ids[first.reference])


def without_ids(source: str) -> str:
    """SQL for texts without declared ids."""
    return f"SELECT n, '[' || {json_text('text')} || ']' AS content, [] AS marks FROM {source}"


def pointed_at(marks: str, reference: int) -> str:
    """SQL: the marks of one reference, each once, sorted by their bytes, as a JSON array; NULL if there are none."""
    own = f"list_transform(list_filter({marks}, lambda one: one.ref = {reference}), lambda one: one.mark)"
    return f"'[' || array_to_string(list_sort(list_distinct(nullif({own}, []))), ',') || ']'"


def _of_value(source: str, spot: Spot, ids: Ids) -> str:
    """The whole text is an id, but for blanks around it; a blank one is none."""
    return f"""
        SELECT
            c.n,
            '[' || {_piece("c")} || ']' AS content,
            CASE WHEN c.part.id <> '' THEN [{{'ref': {spot.reference}, 'mark': {marked("i", "c.part.id")}}}] END AS marks
        FROM (SELECT n, text, {_cut("text", BLANKS, BLANKS)} AS part FROM {source}) c
            {ids.join("i", "c.part.id")}
    """


def _of_list(source: str, spot: Spot, ids: Ids) -> str:
    """Each piece between separators is an id, but for blanks, quotes and brackets around it; a blank one is none."""
    found = f"list({{'ref': {spot.reference}, 'mark': {marked('i', 'c.part.id')}}}) FILTER (c.part.id <> '')"
    return f"""
        SELECT
            c.n,
            '[' || {_in_order("c.position", f"'[' || {_piece('c')} || ']'", ",")} || ']' AS content,
            {found} AS marks
        FROM (
            SELECT n, text, position, {_cut("text", BEFORE, AFTER)} AS part
            FROM (
                SELECT n, unnest(pieces) AS text, generate_subscripts(pieces, 1) AS position
                FROM (SELECT n, string_split(text, {literal(spot.place.expression)}) AS pieces FROM {source})
            )
        ) c
            {ids.join("i", "c.part.id")}
        GROUP BY c.n
    """


def _of_patterns(source: str, spots: Sequence[Spot], ids: Sequence[Ids]) -> str:
    """Ids stand wherever a pattern matches; of several that match at one place, the first that was declared."""
    found = patterns_of(spots)
    every = literal("|".join(one.pattern.expression for one in found))
    ordered = [spot for one in found for spot in one.spots]
    lists = ", ".join(f"regexp_extract_all(text, {every}, {number + 1}) AS g{number}" for number in range(len(ordered)))
    joins = "\n".join(
        ids[spot.reference].join(f"i{number}", f"CASE WHEN m.one.spot = {number} THEN m.one.id END")
        for number, spot in enumerate(ordered)
    )
    patterns, references = (
        " ".join(f"WHEN {number} THEN {text}" for number, text in enumerate(texts))
        for texts in ([literal(one.place.expression) for one in ordered], [one.reference for one in ordered])
    )
    marks = " ".join(f"WHEN {number} THEN " + marked(f"i{number}", "m.one.id") for number in range(len(ordered)))
    part = f"{json_text('before')} || ',' || {json_text(f'CASE spot {patterns} END')} || ',' || mark || ','"
    return f"""
        WITH cut AS (
            SELECT n, regexp_split_to_array(text, {every}) AS between, {lists}
            FROM {source}
        ),
        matches AS (
            SELECT n, p, unnest(CASE {_ids_of_match(found)} END) AS one
            FROM (SELECT *, unnest(range(1, len(between))) AS p FROM cut)
        ),
        looked_up AS (
            SELECT m.n, m.p, m.one.spot AS spot, m.one.before AS before, CASE m.one.spot {marks} END AS mark
            FROM matches m
                {joins}
        ),
        together AS (
            SELECT
                n,
                {_in_order(f"(p * {len(ordered)} + spot)", part, "")} AS parts,
                list({{'ref': CASE spot {references} END, 'mark': mark}}) AS marks
            FROM looked_up
            GROUP BY n
        )
        SELECT c.n, '[' || coalesce(t.parts, '') || {json_text("c.between[len(c.between)]")} || ']' AS content, t.marks
        FROM cut c LEFT JOIN together t ON t.n = c.n
    """


def _ids_of_match(found: Sequence[SpotPattern]) -> str:
    """SQL: the WHENs of a match's ids, each with the number of its spot and the text before it."""
    cases, number = [], 0
    for one in found:
        first, held = number, []
        for before, padded in zip((None, *one.pattern.between), one.pattern.padded, strict=True):
            text = "between[p]" if before is None else literal(before)
            plain = _without_zeros(f"g{number}[p]") if padded else f"g{number}[p]"
            held.append(f"{{'spot': {number}, 'before': {text}, 'id': {plain}}}")
            number += 1
        cases.append(f"WHEN coalesce(g{first}[p], '') <> '' THEN [{', '.join(held)}]")
    return " ".join(cases)


def _without_zeros(text: str) -> str:
    """SQL: a number without leading zeros; all zeros are the number 0."""
    return f"CASE WHEN {text} <> '' AND trim({text}, '0') = '' THEN '0' ELSE ltrim({text}, '0') END"


def _cut(text: str, before: str, after: str) -> str:
    expression = literal(f"^({before})(.*?)({after})$")
    return f"regexp_extract({text}, {expression}, ['before', 'id', 'after'], 's')"


def _in_order(position: str, text: str, between: str) -> str:
    """An aggregate that joins texts in the order of their positions (see `ids.together`)."""
    sorted_parts = f"list_sort(list({{'position': {position}, 'text': {text}}}))"
    return f"array_to_string(list_transform({sorted_parts}, lambda one: one.text), {literal(between)})"


def _piece(alias: str) -> str:
    """A text with one id as the elements of an array: what is before, the id, what is after; or the text alone."""
    part = f"{alias}.part"
    with_id = (
        f"{json_text(f'{part}.before')} || ',' || {marked('i', f'{part}.id')} || ',' || {json_text(f'{part}.after')}"
    )
    return f"CASE WHEN {part}.id = '' THEN {json_text(f'{alias}.text')} ELSE {with_id} END"
