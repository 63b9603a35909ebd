"""Rows of a fixture in YAML, as the same lines of JSON. Each item of the list is parsed by itself, with the safe loader."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import IO, Any

import yaml

from edms_tasks.databases.undamaged_part import UndamagedPart
from edms_tasks.legacy.json_rows import Splitting, unknown_keys
from edms_tasks.legacy.source import is_damage

_LONGEST = 32 << 20
_AS_TEXT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")
_REMAINS = re.compile(rb"\b(?:model|pk|fields)\b.*:|:\s*$|\x00")


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader without times, whose text is kept with every digit, and without merged mappings (`<<`)."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _AS_TEXT]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    """A mapping without a key twice: PyYAML would take the last one without a word."""
    made = loader.construct_object
    found = {made(key, deep=True): made(value, deep=True) for key, value in node.value}
    if len(found) != len(node.value):
        raise ValueError("a key stands there twice")
    return found


_PlainLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def split_yaml(stream: IO[bytes], seen: Splitting) -> Iterator[tuple[str, str]]:
    """(model, row as JSON in one line) of each row; what is wrong is added to `seen`."""
    item: list[bytes] = []
    size = 0
    strange: bytes | None = None  # a line that is no part of any row, as long as it is not known whether rows were hit
    is_lost = False  # lines of a row whose beginning is damaged
    damage: list[str] = []
    for line in UndamagedPart(stream, is_damage, damage.append).lines(_LONGEST):
        if line.startswith(b"- "):
            if not _count(strange, seen):
                yield from _row(item, seen, is_last=False)
            item, size, strange, is_lost = [line], len(line), None, False
        elif line[:1] not in (b" ", b"\n", b"\r"):
            if line.strip() != b"---" and not is_lost:
                if _count(strange, seen):
                    item = []
                strange = line
        elif is_lost or (strange is not None and not line.strip()):
            continue
        elif strange is not None or not item:
            # A row begins with two spaces at most: deeper lines are the rest of the row that the strange line has cut.
            if strange is not None and line.startswith(b"   "):
                item = []
            if strange is not None or _REMAINS.search(line):
                _damage(seen, strange or line)
                strange, is_lost = None, True
            else:
                seen.noise_before += len(line.strip())
        else:
            size += len(line)
            item.append(line)
            if size > _LONGEST:
                _damage(seen, item[0])
                item, is_lost = [], True
    seen.stream_damage = "".join(damage)
    if not _count(strange, seen):
        yield from _row(item, seen, is_last=strange is None and not is_lost)


def _count(strange: bytes | None, seen: Splitting) -> bool:
    """Count a line between rows: noise, unless it may be a part of a row. True if it may be of the row before it, which is then cut."""
    if strange is None:
        return False
    if strange.startswith(b"   ", 1):
        _damage(seen, strange)
        return True
    if _REMAINS.search(strange):
        _damage(seen, strange)
    elif seen.rows:
        seen.noise_after += len(strange.strip())
    else:
        seen.noise_before += len(strange.strip())
    return False


def _damage(seen: Splitting, line: bytes) -> None:
    seen.damaged += 1
    seen.note(f"a line may be what is left of a row: {line[:20].decode('utf-8', 'replace')!r}")


def _row(item: list[bytes], seen: Splitting, *, is_last: bool) -> Iterator[tuple[str, str]]:
    if not item:
        return
    text = b"".join(item)
    if is_last and (seen.stream_damage or not text.endswith(b"\n")):
        seen.cut = True  # each line of a dump ends; of a damaged stream, nobody knows whether more of the row followed
        seen.note("the last row is cut")
        return
    try:
        (row,) = _parsed(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        seen.damaged += 1
        seen.note(f"a row cannot be parsed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return
    model = row.get("model") if isinstance(row, dict) else None
    if not isinstance(model, str) or not isinstance(row.get("fields"), dict) or unknown_keys(map(str, row)):
        seen.not_rows += 1
        seen.note("an item has no `model` and `fields`, or a key that no row has")
        return
    line = json.dumps({name: row[name] for name in ("pk", "fields") if name in row}, default=_plain)
    yield from seen.row(model, line, has_key=row.get("pk") is not None)


def _parsed(text: bytes) -> Any:
    """The value of a text.

    Raises:
        ValueError: an alias stands for more than a text, or aliases for too much: they can multiply without bound. Django writes them for
            times and decimals that are in a key of several columns and in its fields.
    """
    loader = _PlainLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ValueError("nothing is in it")
        if b"*" in text and b"&" in text:
            _refuse_large_aliases(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_large_aliases(root: yaml.Node) -> None:
    seen: set[int] = set()
    size, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            if not isinstance(node, yaml.ScalarNode):
                raise ValueError("a row has aliases of lists or mappings, which are not read")
            size += len(node.value)
            if size > _LONGEST:
                raise ValueError("a row has aliases that stand for too much")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)  # as Django writes bytes
