"""SQLite's search indexes in a captured schema: what each indexes, and the shadow tables that it is stored in.

An index over another table or view can be made again from it. One with content of its own may hold the only copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.inventory.model import Table
from edms_tasks.json_text import parsed_json
from edms_tasks.quoting import identifier

_NAME = r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$]+)"""
_CREATED = re.compile(
    rf"CREATE\s+VIRTUAL\s+TABLE\s+{_NAME}\s*\bUSING\s+[\"'`\[]?(\w+)[\"'`\]]?\s*(?:\((.*)\)\s*)?;?\s*\Z", re.I | re.S
)
# A comma that is not inside quotes, and what `content = 'table'` is made of.
_PARTS = re.compile(r"""(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^,'"`\[])+""")
_WRITES = r"\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s+[\"'`\[]?{}(?!\w)"
_CONTENT = re.compile(r"\s*content\s*=\s*(.*?)\s*\Z", re.I | re.S)
# The columns of each kind's shadow tables: https://www.sqlite.org/fts5.html, fts3.html and rtree.html, "shadow tables".
_SHADOWS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "fts5": {
        "data": ("id", "block"), "idx": ("segid", "term", "pgno"), "config": ("k", "v"), "docsize": ("id", "sz"), "content": ("id", "c0"),
    },
    "fts4": {
        "segments": ("blockid", "block"), "segdir": ("level", "idx", "start_block"), "docsize": ("docid", "size"),
        "stat": ("id", "value"), "content": ("docid",),
    },
    "rtree": {"node": ("nodeno", "data"), "rowid": ("rowid", "nodeno"), "parent": ("nodeno", "parentnode")},
}  # fmt: skip
_FAMILY = {"fts3": "fts4", "rtree_i32": "rtree", "geopoly": "rtree"}


@dataclass(frozen=True)
class SearchIndex:
    """A virtual table.

    Args:
        name: its name.
        over: the table or view that it indexes, and from which it can be made again; None if it has content of its own.
        fed_by: the tables whose triggers write to it.
        shadows: ids of the tables that it is stored in.
    """

    name: str
    over: str | None
    fed_by: tuple[str, ...]
    shadows: tuple[str, ...]

    @property
    def rebuild(self) -> str:
        """The statement that makes an index over another table again."""
        return f"INSERT INTO {identifier(self.name)} ({identifier(self.name)}) VALUES ('rebuild')"


def search_indexes(schema: CapturedSchema, tables: Sequence[Table]) -> tuple[SearchIndex, ...]:
    """The virtual tables of a schema; none on another engine than SQLite.

    Args:
        schema: as captured.
        tables: the tables of the same database; those that no model owns may be shadow tables.
    """
    if schema.format != "sqlite-schema-json":
        return ()
    objects = parsed_json(schema.path.read_text(encoding="utf-8"))["objects"]
    known = {one["name"].lower(): one["name"] for one in objects if one["type"] in ("table", "view")}
    plain = {table.id: table for table in tables if table.model is None}
    triggers = [(one["table"], one["sql"]) for one in objects if one["type"] == "trigger"]
    found = []
    for one, created in _created(objects):
        writes = re.compile(_WRITES.format(re.escape(one["name"])), re.I)
        fed_by = tuple(dict.fromkeys(table for table, sql in triggers if writes.search(sql)))
        found.append(_index(one["name"], created.group(1), created.group(2) or "", fed_by, known, plain))
    return tuple(found)


def _created(objects: Sequence[Mapping[str, str]]) -> Iterator[tuple[Mapping[str, str], re.Match[str]]]:
    for one in objects:
        created = _CREATED.match(one["sql"]) if one["type"] == "table" else None
        if created is not None:
            yield one, created


def _index(
    name: str,
    module: str,
    arguments: str,
    fed_by: tuple[str, ...],
    known: Mapping[str, str],
    tables: Mapping[str, Table],
) -> SearchIndex:
    family = _FAMILY.get(module.lower(), module.lower())
    shadows = {
        part: f"{name}_{part}"
        for part, columns in _SHADOWS.get(family, {}).items()
        if (table := tables.get(f"{name}_{part}")) is not None
        and {*columns} <= {column.name.lower() for column in table.columns}
    }
    over = None
    # With a table for its own content it has no other, whatever its arguments look like (they may have comments).
    if family.startswith("fts") and "content" not in shadows:
        over = known.get((_content(arguments) or "").lower())
    return SearchIndex(name, over, fed_by, tuple(shadows.values()))


def _content(arguments: str) -> str | None:
    """The table named by the option `content`; None if there is no such option."""
    for argument in _PARTS.findall(arguments):
        option = _CONTENT.match(argument)
        if option is not None:
            return _unquoted(option.group(1))
    return None


def _unquoted(text: str) -> str:
    closing = {"'": "'", '"': '"', "`": "`", "[": "]"}.get(text[:1])
    if closing is None or len(text) < 2 or text[-1] != closing:
        return text
    return text[1:-1].replace(closing * 2, closing) if closing != "]" else text[1:-1]
