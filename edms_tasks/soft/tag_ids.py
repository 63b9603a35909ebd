"""Ids in attributes of tags in rich text: `<a linktype="page" id="12">`. Content text: the text cut at its ids."""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.quoting import literal
from edms_tasks.soft.id_lookup import Ids, json_text, marked
from edms_tasks.soft.readings import Spot
from edms_tasks.soft.tag_patterns import ATTRIBUTE, TagPattern, tag_pattern, tags_of


def of_tags(source: str, spots: Sequence[Spot], ids: Sequence[Ids]) -> str:
    """SQL from a relation of (n, text) to (n, content, marks), as in `text_ids.py`, for ids in declared tags.

    If several declarations describe a tag, the first one applies.
    """
    found = [tag_pattern(spot.place.expression, spot.id_kind) for spot in spots]
    tag = literal(tags_of({one.element for one in found}))
    attribute = literal(ATTRIBUTE)
    which = " ".join(f"WHEN {_is_meant(one)} THEN {number}" for number, one in enumerate(found))
    attributes = " ".join(f"WHEN {number} THEN {literal(one.attribute)}" for number, one in enumerate(found))
    expressions = " ".join(f"WHEN {number} THEN {literal(spot.place.expression)}" for number, spot in enumerate(spots))
    references = " ".join(f"WHEN {number} THEN {spot.reference}" for number, spot in enumerate(spots))
    joins = "\n".join(
        ids[spot.reference].join(f"i{number}", f"CASE WHEN m.spot = {number} THEN m.id END")
        for number, spot in enumerate(spots)
    )
    marks = " ".join(f"WHEN {number} THEN " + marked(f"i{number}", "m.id") for number in range(len(spots)))
    # Up to the id's value: the attributes before it with what is between them, and its own name, and its quote.
    up_to = (
        "list_sum(list_transform(between_attributes[1:place], lambda one: length(one))) "
        "+ coalesce(list_sum(list_transform(attributes[1:place], lambda one: length(one))), 0) "
        "- length(quoted[place]) + CASE WHEN left(quoted[place], 1) IN ('\"', '''') THEN 1 ELSE 0 END"
    )
    # Neighbouring texts are one string: each is written without its quotes.
    cut = (
        f"{_escaped('before')} || {_escaped('tag[1:ends]')} || '\",' || {json_text(f'CASE spot {expressions} END')} "
        f"|| ',' || mark || ',\"' || {_escaped('tag[ends + 1 + length(id):]')}"
    )
    whole = f"{_escaped('before')} || {_escaped('tag')}"
    return f"""
        WITH cut AS (
            SELECT n, regexp_split_to_array(text, {tag}) AS between, regexp_extract_all(text, {tag}) AS tags
            FROM {source}
        ),
        tags AS (
            SELECT n, p, between[p] AS before, tags[p] AS tag, lower(regexp_extract(tags[p], {tag}, 1)) AS element
            FROM (SELECT *, unnest(range(1, len(between))) AS p FROM cut)
        ),
        apart AS (
            SELECT
                *,
                regexp_split_to_array(tag, {attribute}) AS between_attributes,
                regexp_extract_all(tag, {attribute}) AS attributes,
                list_transform(regexp_extract_all(tag, {attribute}, 1), lambda one: lower(one)) AS names,
                regexp_extract_all(tag, {attribute}, 2) AS quoted
            FROM tags
        ),
        meant AS (
            SELECT *, list_position(names, CASE spot {attributes} END) AS place
            FROM (SELECT *, CASE {which} END AS spot FROM apart)
        ),
        placed AS (
            SELECT n, p, before, tag, spot, {up_to} AS ends, {_unquoted("quoted[place]")} AS id FROM meant
        ),
        looked_up AS (
            SELECT m.*, CASE m.spot {marks} END AS mark
            FROM placed m
                {joins}
        ),
        together AS (
            SELECT
                n,
                list_sort(list({{'position': p, 'text': CASE WHEN spot IS NULL THEN {whole} ELSE {cut} END}})) AS parts,
                list({{'ref': CASE spot {references} END, 'mark': mark}}) FILTER (spot IS NOT NULL) AS marks
            FROM looked_up
            GROUP BY n
        )
        SELECT
            c.n,
            '["' || coalesce(array_to_string(list_transform(t.parts, lambda one: one.text), ''), '')
                || {_escaped("c.between[len(c.between)]")} || '"]' AS content,
            t.marks
        FROM cut c LEFT JOIN together t ON t.n = c.n
    """


def _is_meant(pattern: TagPattern) -> str:
    conditions = [f"element = {literal(pattern.element)}"]
    conditions += [f"{_value_of(name)} = {literal(value)}" for name, value in pattern.fixed]
    conditions.append(f"regexp_full_match({_value_of(pattern.attribute)}, {literal(pattern.id_expression)})")
    return " AND ".join(conditions)


def _value_of(name: str) -> str:
    """The value of a tag's attribute, of several of that name the first; NULL where it has none."""
    return _unquoted(f"quoted[list_position(names, {literal(name)})]")


def _unquoted(value: str) -> str:
    return f"CASE WHEN left({value}, 1) IN ('\"', '''') THEN ({value})[2:-2] ELSE {value} END"


def _escaped(text: str) -> str:
    """A text as within a JSON string."""
    return f"({json_text(text)})[2:-2]"
