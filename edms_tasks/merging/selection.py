"""A selection from a snapshot (`--only`): chosen rows, the rows that depend on them, and the rows that they refer to.

Chosen rows and their dependents are restored as they were. Rows that they refer to are restored only if the target does not have
them: somebody who restores a document does not want its author's account reset.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.digests.chunk_columns import KEY, reference_column
from edms_tasks.digests.value_equality import bare_if_uuid, equal
from edms_tasks.digests.value_text import text_value
from edms_tasks.errors import CommandError
from edms_tasks.inventory.model import ForeignReference, GenericReference, Reference, SoftReference, Table
from edms_tasks.keys.checked_keys import generic_content_type, generic_object_id
from edms_tasks.merging.id_map import content_type_ids
from edms_tasks.merging.identified_rows import NUMBER, Identified, paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET
from edms_tasks.trees.label_paths import parent_labels
from edms_tasks.trees.tree_kinds import Tree

_CHOSEN = "chosen_rows"
_NEXT = "next_rows"
_LONGEST_WAY = 100
_ESCAPE = "!"


@dataclass(frozen=True)
class Selector:
    """Rows of one model, chosen by the first parts of their natural key, or by the value of a column (`*` matches any text).

    Example:
        >>> Selector.parse("documents.Document:SOP-0001")
        Selector(model='documents.Document', column=None, parts=('SOP-0001',))
    """

    model: str
    column: str | None
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Parse MODEL:KEY, MODEL:PART,PART or MODEL:COLUMN=VALUE.

        Raises:
            CommandError: it has none of these forms.
        """
        model, colon, key = text.partition(":")
        if not (model and colon and key):
            raise CommandError(
                f"{text!r} does not name an object.",
                where="--only",
                fix="Write MODEL:KEY, e.g. documents.Document:SOP-0001, or MODEL:COLUMN=VALUE, e.g. documents.Document:number=SOP-*.",
            )
        column, equals, value = key.partition("=")
        if equals:
            return cls(model, column, (value,))
        return cls(model, None, tuple(key.split(",")))

    def __str__(self) -> str:
        value = ",".join(self.parts)
        return f"{self.column}={value}" if self.column else value


def restrict(
    cursor: duckdb.DuckDBPyConnection,
    matched: Matched,
    selectors: Sequence[Selector],
    *,
    with_dependents: bool,
    folder: Path,
    trees: Mapping[str, Tree],
    needed: Mapping[str, Collection[str]],
) -> tuple[Matched, list[str]]:
    """Restrict a match to the selected rows; returns it, and a sentence for each reference whose rows are not selected.

    Args:
        cursor: where to compute.
        matched: all rows.
        selectors: the selection.
        with_dependents: whether rows that cannot exist without the selected ones are selected too.
        folder: for the selected rows; created.
        trees: the tables that are trees, by table id.
        needed: table id -> nullable columns of references whose rows cannot exist without the row that they refer to.

    Raises:
        CommandError: a selector matches no model, no column or no row.
    """
    folder.mkdir(parents=True)
    cursor.execute(f"CREATE OR REPLACE TABLE {_CHOSEN} (table_id VARCHAR, k VARCHAR, n BIGINT, context BOOLEAN)")
    for selector in selectors:
        _choose(cursor, matched.sources, selector)
    kinds = content_type_ids(cursor, matched.sources)
    _spread(cursor, matched.sources, kinds, trees, needed, backwards=True, everything=with_dependents)
    _spread(cursor, matched.sources, kinds, trees, needed, backwards=False, everything=True)
    _forget_what_the_target_has(cursor, matched)
    left_behind = _left_behind(cursor, matched, kinds)
    rewritten = {
        table_id: _left(cursor, table_id, rows, folder / f"{number:04d}.parquet")
        for number, (table_id, rows) in enumerate(matched.rewritten.items())
    }
    return replace(matched, rewritten=rewritten), left_behind


def chosen_ids(cursor: duckdb.DuckDBPyConnection, matched: Matched, table_id: str) -> set[str]:
    """The ids in the snapshot, as text, of the selected rows of a table whose primary key is one column."""
    source, rows = matched.sources[table_id], matched.rewritten[table_id]
    text = f"CAST(s.{identifier(source.table.primary_key[0])} AS VARCHAR)"
    found = cursor.execute(
        f"SELECT {text} FROM {source.relation} s SEMI JOIN {rows.relation} r ON {paired('s', 'r')}"
    ).fetchall()
    return {str(one) for (one,) in found}


def _choose(cursor: duckdb.DuckDBPyConnection, sources: Mapping[str, Identified], selector: Selector) -> None:
    found = _table(sources, selector.model)
    table = found.table
    if selector.column is not None:
        names = {column.name: column.name for column in table.columns}
        names |= {column.field: column.name for column in table.columns if column.field}
        if selector.column not in names:
            close = difflib.get_close_matches(selector.column, names, n=1)
            raise CommandError(
                f"{table.label} has no column {selector.column!r}.",
                where="--only",
                fix=f"Did you mean `{close[0]}`?" if close else f"It has {', '.join(sorted(names))}.",
            )
        name = names[selector.column]
        encoding = found.side.raws[table.id].encodings.get(name, "native")
        text = text_value(name, found.storage(name).kind, encoding)
        wanted = f"{text} LIKE {literal(like_pattern(selector.parts[0]))} ESCAPE '{_ESCAPE}'"
    else:
        wanted = " AND ".join(
            f"json_extract_string({identifier(KEY)}, '$[{number}]') = {literal(part)}"
            for number, part in enumerate(selector.parts)
        )
    # Counted by itself: another selector may have chosen rows of the same table.
    (chosen,) = cursor.execute(
        f"INSERT INTO {_CHOSEN} SELECT {literal(table.id)}, {identifier(KEY)}, {identifier(NUMBER)}, false "
        f"FROM {found.relation} WHERE {wanted}"
    ).fetchall()[0]
    if not chosen:
        key = found.side.keys.keys[table.id].natural_key
        readable = key.readable if key is not None and key.readable else "none; name a column"
        raise CommandError(
            f"The snapshot has no {table.label} {str(selector)!r}.",
            where="--only",
            fix=f"Its natural key is ({readable}). `edms-backup show` lists the models of a snapshot.",
        )


def _table(sources: Mapping[str, Identified], name: str) -> Identified:
    by_name = {found.table.label.lower(): found for found in sources.values()}
    by_name |= {found.table.id.lower(): found for found in sources.values()}
    if name.lower() not in by_name:
        labels = sorted(found.table.label for found in sources.values())
        close = difflib.get_close_matches(name, labels, n=1, cutoff=0.4)
        raise CommandError(
            f"There is no model {name!r} in the snapshot.",
            where="--only",
            fix=f"Did you mean `{close[0]}`?" if close else "`edms-backup show` lists the models.",
        )
    return by_name[name.lower()]


def like_pattern(text: str) -> str:
    """A pattern for LIKE, with the escape character of this module, in which only the text's `*` is special."""
    escaped = "".join(_ESCAPE + one if one in f"%_{_ESCAPE}" else one for one in text)
    return escaped.replace("*", "%")


def _spread(
    cursor: duckdb.DuckDBPyConnection,
    sources: Mapping[str, Identified],
    kinds: Mapping[str, str],
    trees: Mapping[str, Tree],
    needed: Mapping[str, Collection[str]],
    *,
    backwards: bool,
    everything: bool,
) -> None:
    """Add the rows that the chosen rows refer to (backwards: that refer to them), until there are no more."""
    grown = _tables_in(cursor, _CHOSEN)  # only from their rows a way can lead to others
    for _ in range(_LONGEST_WAY):
        cursor.execute(f"CREATE OR REPLACE TABLE {_NEXT} AS SELECT * FROM {_CHOSEN} WHERE false")
        for found in sources.values():
            if not found.rows:
                continue
            ways = _ways_to_parents(found, trees) if everything else []
            for reference in found.table.references:
                needs = needed.get(found.table.id, ())
                if backwards and not _belongs(found.table, reference, needs, everything=everything):
                    continue
                ways += _ways(found, reference, sources, kinds)
            for target_id, condition in ways:
                here, there = ("t", "s") if backwards else ("s", "t")
                into = found.table.id if backwards else target_id
                start = target_id if backwards else found.table.id
                if start not in grown:
                    continue
                relations = {"s": found.relation, "t": sources[target_id].relation}
                begin = f"c.table_id = {literal(start)} AND c.k = b.{identifier(KEY)} AND c.n = b.{identifier(NUMBER)}"
                relations[here] = f"(SELECT b.* FROM {relations[here]} b SEMI JOIN {_CHOSEN} c ON {begin})"
                cursor.execute(
                    f"""
                    INSERT INTO {_NEXT}
                    SELECT DISTINCT {literal(into)}, {there}.{identifier(KEY)}, {there}.{identifier(NUMBER)}, {not backwards}
                    FROM {relations["s"]} s JOIN {relations["t"]} t ON {condition}
                    """
                )
        added = f"{_NEXT} x ANTI JOIN {_CHOSEN} c ON c.table_id = x.table_id AND c.k = x.k AND c.n = x.n"
        grown = _tables_in(cursor, added)
        if not grown:
            return
        cursor.execute(f"INSERT INTO {_CHOSEN} SELECT DISTINCT x.* FROM {added}")
    raise CommandError(
        f"The references of the chosen objects go on for more than {_LONGEST_WAY} steps.",
        where="--only",
        fix="Merge the whole snapshot, or restore it with --into.",
    )


def _tables_in(cursor: duckdb.DuckDBPyConnection, rows: str) -> set[str]:
    return {table_id for (table_id,) in cursor.execute(f"SELECT DISTINCT table_id FROM {rows}").fetchall()}


def _forget_what_the_target_has(cursor: duckdb.DuckDBPyConnection, matched: Matched) -> None:
    """Leave only the rows that are merged: of those that others refer to, the ones that the target lacks."""
    for table_id, rows in matched.rewritten.items():
        lacking = f"r.{identifier(KEY)} = c.k AND r.{identifier(NUMBER)} = c.n AND r.\"{ACTION}\" = 'insert'"
        cursor.execute(
            f"DELETE FROM {_CHOSEN} c WHERE c.table_id = {literal(table_id)} AND c.context "
            f"AND NOT EXISTS (SELECT 1 FROM {rows.relation} r WHERE {lacking})"
        )


def _left_behind(cursor: duckdb.DuckDBPyConnection, matched: Matched, kinds: Mapping[str, str]) -> list[str]:
    """A sentence for each reference of rows that the target lacks, that refer to what is merged, and that are not merged."""
    said = []
    for table_id, found in matched.sources.items():
        rows = matched.rewritten[table_id]
        if not rows.inserts:
            continue
        for reference in found.table.references:
            count = 0
            for target_id, condition in _ways(found, reference, matched.sources, kinds):
                chosen = (
                    f"c.table_id = {literal(target_id)} AND c.k = t.{identifier(KEY)} AND c.n = t.{identifier(NUMBER)}"
                )
                mine = (
                    f"m.table_id = {literal(table_id)} AND m.k = s.{identifier(KEY)} AND m.n = s.{identifier(NUMBER)}"
                )
                new = f"(SELECT * FROM {rows.relation} WHERE \"{ACTION}\" = 'insert')"
                (some,) = cursor.execute(
                    f"SELECT count(DISTINCT (s.{identifier(KEY)}, s.{identifier(NUMBER)})) "
                    f"FROM (SELECT s.* FROM {found.relation} s SEMI JOIN {new} r ON {paired('s', 'r')} ANTI JOIN {_CHOSEN} m ON {mine}) s "
                    f"JOIN (SELECT t.* FROM {matched.sources[target_id].relation} t SEMI JOIN {_CHOSEN} c ON {chosen}) t ON {condition}"
                ).fetchall()[0]
                count += int(some)
            if count:
                said.append(
                    f"Left behind: {count:,} rows of {found.table.label} that refer to what is merged ({reference.name}) and are not in "
                    "the target."
                )
    return said


def _belongs(table: Table, reference: Reference, needed: Collection[str], *, everything: bool) -> bool:
    """Whether a row that refers to another by this reference is a part of it.

    Always the rows that only join two others and a child of multi-table inheritance; on request every row that could not
    be without it (a reference that must be filled, or whose row Django deletes or protects with it), and those that speak of it
    (generic ones).
    """
    if isinstance(reference, SoftReference):
        # A required value that is an id counts like a foreign key; a list or a text only mentions other rows.
        return everything and reference.form == "value" and not table.column(reference.column).nullable
    if isinstance(reference, GenericReference):
        return everything
    if reference.kind == "many_to_many" or reference.columns == table.primary_key:
        return True
    return everything and all(not table.column(column).nullable or column in needed for column in reference.columns)


def _ways(
    found: Identified, reference: Reference, sources: Mapping[str, Identified], kinds: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Where a reference can lead: table id, and the join condition between `s`, which refers, and `t`."""
    if isinstance(reference, ForeignReference):
        target = sources.get(reference.target)
        if target is None:
            return []
        pairs = zip(reference.columns, reference.target_columns, strict=True)
        return [
            (
                reference.target,
                " AND ".join(
                    equal(f"s.{identifier(c)}", found.storage(c), f"t.{identifier(p)}", target.storage(p))
                    for c, p in pairs
                ),
            )
        ]
    if isinstance(reference, SoftReference):
        pointed = f"s.{identifier(reference_column(reference.name))}"
        named = f"list_contains(json_extract({pointed}, '$[*]')::VARCHAR[], t.{identifier(KEY)})"
        return [(reference.target, named)] if reference.target in sources else []
    ways = []
    for number, target_id in kinds.items():
        target = sources[target_id]
        if len(target.table.primary_key) != 1:
            continue
        pk = target.table.primary_key[0]
        encodings = found.side.raws[found.table.id].encodings
        here = generic_object_id("s.", reference, found.side.keys.types[found.table.id], encodings)
        there = bare_if_uuid(f"t.{identifier(pk)}", target.storage(pk).kind)
        kind = f"{generic_content_type('s.', reference, encodings)} = {literal(number)}"
        ways.append((target_id, f"{kind} AND {here} = {there}"))
    return ways


def _ways_to_parents(found: Identified, trees: Mapping[str, Tree]) -> list[tuple[str, str]]:
    """The way to the parent of a node, where it is in the node's path of names."""
    tree = trees.get(found.table.id)
    if tree is None or tree.kind != "path":
        return []
    path = tree.columns[0]
    here, there = found.text(path, "s"), found.text(path, "t")
    return [(found.table.id, f"{there} = {parent_labels(here)}")]


def _left(cursor: duckdb.DuckDBPyConnection, table_id: str, rows: Rewritten, path: Path) -> Rewritten:
    """The selected rows of one table."""
    chosen = f"c.table_id = {literal(table_id)} AND c.k = r.{identifier(KEY)} AND c.n = r.{identifier(NUMBER)}"
    cursor.execute(
        f"COPY (SELECT r.* FROM {rows.relation} r SEMI JOIN {_CHOSEN} c ON {chosen}) TO {literal(str(path))} {AS_PARQUET}"
    )
    updated = path.with_suffix(".updates.parquet")
    left = f"read_parquet({literal(str(path))})"
    same_key = f"l.{identifier(KEY)} = u.{identifier(KEY)}"
    cursor.execute(
        f"COPY (SELECT u.* FROM {rows.updates_relation} u SEMI JOIN (SELECT * FROM {left} WHERE \"{ACTION}\" = 'update') l "
        f"ON {same_key}) TO {literal(str(updated))} {AS_PARQUET}"
    )
    counts = dict(cursor.execute(f'SELECT "{ACTION}", count(*) FROM {left} GROUP BY 1').fetchall())
    return Rewritten(path, updated, counts.get("insert", 0), counts.get("update", 0), counts.get("same", 0))
