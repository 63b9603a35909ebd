"""Rows of a fixture in YAML, as the same lines of JSON. Each item of the list is parsed by itself, with the safe loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

import yaml

from edms_tasks.legacy.json_rows import Splitting
from edms_tasks.legacy.source import DAMAGED, is_damage

_LONGEST = 32 << 20


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader without dates and floats: their text is kept, since Python's values have fewer digits."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _AS_TEXT]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    for _AS_TEXT in [("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")]
}


def split_yaml(stream: IO[bytes], seen: Splitting) -> Iterator[tuple[str, str]]:
    """(model, row as JSON in one line) of each row; what is wrong is added to `seen`."""
    item: list[bytes] = []
    size = 0
    began = False
    for line in _lines(stream, seen):
        if line.startswith(b"- "):
            yield from _row(item, seen, is_last=False)
            item, size, began = [line], len(line), True
        elif not began:
            seen.noise_before += len(line.strip()) if line.strip() != b"---" else 0
        elif line[:1] in (b" ", b"\n", b"\r"):
            size += len(line)
            if size <= _LONGEST:
                item.append(line)
        else:
            seen.noise_after += len(line.strip())
    yield from _row(item, seen, is_last=True)


def _row(item: list[bytes], seen: Splitting, *, is_last: bool) -> Iterator[tuple[str, str]]:
    if not item:
        return
    text = b"".join(item)
    if is_last and not text.endswith(b"\n"):
        seen.cut = True  # each line of a dump ends
        seen.note("the last row is cut")
        return
    if b"*" in text and b"&" in text and any(mark in text for mark in (b": *", b"- *")):
        seen.damaged += 1  # aliases can multiply without bound, and Django writes none
        seen.note("a row has aliases, which are not read")
        return
    try:
        (row,) = yaml.load(text, Loader=_PlainLoader)  # noqa: S506  # a subclass of the safe loader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        seen.damaged += 1
        seen.note(f"a row cannot be parsed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return
    model = row.get("model") if isinstance(row, dict) else None
    if not isinstance(model, str) or not isinstance(row.get("fields"), dict):
        seen.not_rows += 1
        return
    seen.rows += 1
    yield model, json.dumps({name: row[name] for name in ("pk", "fields") if name in row}, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _lines(stream: IO[bytes], seen: Splitting) -> Iterator[bytes]:
    try:
        while line := stream.readline(_LONGEST):
            yield line
    except DAMAGED as error:
        if not is_damage(error):
            raise
        seen.stream_damage = str(error) or type(error).__name__
