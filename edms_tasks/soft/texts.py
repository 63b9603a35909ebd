"""Ids in texts: the whole value, a list with separators, or strings of a pattern. Content text: the text cut at its ids.

Each function is SQL from a relation of (n, text) to (n, content, r0, r1, …): `content` as docs/format.md §5.5 defines
it, and for each reference a JSON array of what it points at, or NULL.
"""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.inventory.id_patterns import text_expression
from edms_tasks.inventory.model import SoftReference
from edms_tasks.quoting import literal
from edms_tasks.soft.ids import Ids, json_text, marked, together

_BLANKS = r"\s*"
# Lists are written in many ways: `[1, 2]`, `{1,2}`, `(1, 2)`, `["a", "b"]`.
_BEFORE, _AFTER = r"""[\s"'\[({]*""", r"""[\s"'\])}]*"""


def of_value(source: str, ids: Ids) -> str:
    """The whole text is an id, but for blanks around it; a blank one is none."""
    return f"""
        SELECT
            c.n,
            '[' || {_piece("c")} || ']' AS content,
            CASE WHEN c.part.id <> '' THEN '[' || {marked("i", "c.part.id")} || ']' END AS r0
        FROM (SELECT n, text, {_cut("text", _BLANKS, _BLANKS)} AS part FROM {source}) c
            {ids.join("i", "c.part.id")}
    """


def of_list(source: str, separator: str, ids: Ids) -> str:
    """Each piece between separators is an id, but for blanks, quotes and brackets around it; a blank one is none."""
    return f"""
        SELECT
            c.n,
            '[' || {_in_order("c.position", f"'[' || {_piece('c')} || ']'", ",")} || ']' AS content,
            {together(marked("i", "c.part.id"), of="c.part.id <> ''")} AS r0
        FROM (
            SELECT n, text, position, {_cut("text", _BEFORE, _AFTER)} AS part
            FROM (
                SELECT n, unnest(pieces) AS text, generate_subscripts(pieces, 1) AS position
                FROM (SELECT n, string_split(text, {literal(separator)}) AS pieces FROM {source})
            )
        ) c
            {ids.join("i", "c.part.id")}
        GROUP BY c.n
    """


def of_patterns(source: str, references: Sequence[SoftReference], ids: Sequence[Ids]) -> str:
    """Ids stand wherever a pattern matches; of several that match at one place, the first that was declared."""
    expressions = [text_expression(reference.expression, reference.id_kind) for reference in references]
    every = literal("|".join(expressions))
    numbers = range(len(references))
    lists = ", ".join(f"regexp_extract_all(text, {every}, {number + 1}) AS g{number}" for number in numbers)
    which = " ".join(f"WHEN coalesce(g{number}[p], '') <> '' THEN {number}" for number in numbers)
    found_id = " || ".join(f"coalesce(g{number}[p], '')" for number in numbers)
    patterns = " ".join(f"WHEN {number} THEN {literal(one.expression)}" for number, one in enumerate(references))
    joins = "\n".join(
        found.join(f"i{number}", f"CASE WHEN m.ref = {number} THEN m.id END") for number, found in enumerate(ids)
    )
    marks = " ".join(f"WHEN {number} THEN " + marked(f"i{number}", "m.id") for number in numbers)
    pointed = "".join(f", {together('mark', of=f'ref = {number}')} AS r{number}" for number in numbers)
    part = f"{json_text('before')} || ',' || {json_text(f'CASE ref {patterns} END')} || ',' || mark || ','"
    return f"""
        WITH cut AS (
            SELECT n, regexp_split_to_array(text, {every}) AS between, {lists}
            FROM {source}
        ),
        matches AS (
            SELECT n, p, between[p] AS before, CASE {which} END AS ref, {found_id} AS id
            FROM (SELECT *, unnest(range(1, len(between))) AS p FROM cut)
        ),
        looked_up AS (
            SELECT m.n, m.p, m.before, m.ref, CASE m.ref {marks} END AS mark
            FROM matches m
                {joins}
        ),
        together AS (
            SELECT
                n,
                {_in_order("p", part, "")} AS parts
                {pointed}
            FROM looked_up
            GROUP BY n
        )
        SELECT
            c.n,
            '[' || coalesce(t.parts, '') || {json_text("c.between[len(c.between)]")} || ']' AS content,
            {", ".join(f"t.r{number}" for number in numbers)}
        FROM cut c LEFT JOIN together t ON t.n = c.n
    """


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
