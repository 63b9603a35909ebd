"""The names that files get in the target: each declared id in a name is replaced by the id that its row gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.files.index import OpenedIndex
from edms_tasks.inventory.model import FileNameReference
from edms_tasks.merging.id_map import IdMap
from edms_tasks.quoting import literal
from edms_tasks.soft.id_patterns import name_expression


@dataclass(frozen=True)
class NamedFile:
    """A file of the snapshot, with the name it gets in the target."""

    name: bytes
    final: bytes
    size: int
    sha256: str
    ids: Mapping[str, str]  # those in its name that rows have, by table id
    is_declared: bool  # the name is as a declaration says, whether a row has the id or not


def final_names(
    opened: OpenedIndex, names: Sequence[FileNameReference], id_maps: Mapping[str, IdMap]
) -> Iterator[NamedFile]:
    """Every file of the folder."""
    if not opened.paths:  # the folder was not there
        return
    query = (
        "SELECT path, size, sha256, try(decode(path)) AS text, try(decode(path)) AS now, CAST([] AS VARCHAR[]) AS ids, "
        "false AS is_declared "
        "FROM read_parquet($paths) WHERE kind = 'file'"
    )
    targets = []
    for reference in names:
        id_map = id_maps.get(reference.target)
        if id_map is not None and id_map.table.primary_key == (reference.target_column,):
            targets.append(reference.target)
            query = _with_final_id(query, reference, id_map)
    query = f"SELECT path, CASE WHEN now <> text THEN encode(now) ELSE path END, size, sha256, ids, is_declared FROM ({query})"
    with opened.workspace() as connection:
        found = connection.execute(query, {"paths": [str(path) for path in opened.paths]})
        while rows := found.fetchmany(4096):
            for name, final, size, sha256, found_ids, is_declared in rows:
                ids = {table: str(one) for table, one in zip(targets, found_ids, strict=True) if one is not None}
                yield NamedFile(bytes(name), bytes(final), int(size), str(sha256), ids, bool(is_declared))


def _with_final_id(query: str, reference: FileNameReference, id_map: IdMap) -> str:
    """The query with the ids of one declaration: looked up in the name as it is, replaced in what others made of it."""
    pattern = name_expression(reference.pattern, reference.id_kind)
    groups = f"{literal(pattern.expression)}, ['before', 'id', 'after'], 's'"
    written, now = f"regexp_extract(f.text, {groups}).id", f"regexp_extract(f.now, {groups})"
    plain = f"coalesce(nullif(ltrim({written}, '0'), ''), '0')" if pattern.padded else written
    final = "CAST(n.final AS VARCHAR)"
    if pattern.padded:
        width = f"CAST(strlen({written}) AS INTEGER)"
        final = f"CASE WHEN strlen({final}) >= {width} THEN {final} ELSE lpad({final}, {width}, '0') END"
    # Another declaration has replaced the id where it is no longer there.
    changes = f"n.final <> n.source AND {now}.id = {written}"
    return f"""
        SELECT
            f.* REPLACE (
                CASE WHEN {changes} THEN {now}.before || {final} || {now}.after ELSE f.now END AS now,
                list_append(f.ids, CASE WHEN NOT n.is_orphan THEN {plain} END) AS ids,
                f.is_declared OR coalesce({written}, '') <> '' AS is_declared
            )
        FROM ({query}) f
            LEFT JOIN {id_map.relation} n
            ON {written} <> '' AND {bare_uuid(text_of("n.source", id_map.kind))} = {bare_uuid(plain)}
    """
