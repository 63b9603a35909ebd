"""Split a stream of JSON into the objects of a fixture: noise, cuts and damaged places cost the objects they hit, and no other.

An array of objects and one object a line are read alike. A parser for the whole document would give nothing at all for a file
that ends in the middle. Only the bounds of an object and its model are taken from Python's parser: the object's text goes on as it is.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from edms_tasks.legacy.json_levels import ROW_BEGINS, clean_line, stands_among_rows
from edms_tasks.legacy.source import read_block

_BLOCK = 1 << 20
_LONGEST = 32 << 20
_BEGINNING = 1 << 16
_GIVEN_UP = 4 << 20
_ROW = re.compile(r'\{\s*"model"\s*:\s*"[^"]{1,200}"\s*,\s*"(?:pk|fields)"\s*:')
_NEAR = 16  # a parser notices the end of a text a few characters before it, inside an escape or a number
_REMAINS = re.compile(r'"(?:model|pk|fields)"|\x00')
_REMAINS_BETWEEN = re.compile(r'["{}\x00]')
_AHEAD = 1 << 16
_KEYS = frozenset(["model", "pk", "fields"])
_BEGINNINGS = tuple(f'{{"{key}":' for key in sorted(_KEYS))
_EXAMPLES = 3
_DECODE = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


@dataclass
class Splitting:
    """What was seen while a stream was split."""

    noise_before: int = 0  # characters before the first object
    noise_after: int = 0  # characters between objects or after the array
    damaged: int = 0  # objects that cannot be parsed
    not_rows: int = 0  # objects that are no rows of a model
    examples: list[str] = field(default_factory=list)
    is_array: bool = False
    closed: bool = False
    cut: bool = False  # the stream ends inside an object
    stream_damage: str = ""  # why it could not be decompressed to its end
    rows: int = 0
    keyless: Counter[str] = field(default_factory=Counter)  # model -> rows without a primary key
    beginning: bytes = b""  # the first 64 KB, for what is no fixture

    @property
    def is_whole(self) -> bool:
        """Whether the stream ends as a whole one does."""
        return not self.cut and not self.stream_damage and (self.closed or not self.is_array)

    def row(self, model: str, line: str, *, has_key: bool) -> Iterator[tuple[str, str]]:
        """Count a row, and give it as every parser of JSON reads it; one that cannot be given so is damaged."""
        clean = clean_line(line)
        if clean is None:
            self.damaged += 1
            self.note(
                f"a row of {model[:80]!r} has texts that are no Unicode, numbers that JSON does not have, or a key twice"
            )
            return
        self.rows += 1
        if not has_key:
            self.keyless[model.lower()] += 1
        yield model, clean

    def note(self, what: str) -> None:
        """Keep an example of a damaged place."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append(what)


def split_rows(stream: IO[bytes], seen: Splitting) -> Iterator[tuple[str, str]]:
    """(model, text of the object in one line) of each row; what is wrong is added to `seen`."""
    text = _Text(stream, seen)
    behind_damage = False
    while _find_object(text, seen, behind_damage=behind_damage):
        parsed = _parse(text, seen)
        behind_damage = parsed is None
        if parsed is None:
            text.at += 1  # go on behind the brace of the damaged object
            continue
        row, end = parsed
        begin, text.at = text.at, end
        line = text.held[begin:end]
        model = row.get("model") if isinstance(row, dict) else None
        if not isinstance(model, str) or not isinstance(row.get("fields"), dict):
            seen.not_rows += 1
            seen.note(f"object {seen.rows + seen.not_rows}: it has no `model` and `fields`")
        elif unknown := unknown_keys(row):
            seen.not_rows += 1
            seen.note(f"a row of {model[:80]!r} has {unknown[0][:40]!r}, which no row has")
        else:
            yield from seen.row(model, line, has_key=row.get("pk") is not None)


def _find_object(text: _Text, seen: Splitting, *, behind_damage: bool) -> bool:
    """Go to the next object; False at the end. What stands before it is noise, damage, or separators."""
    first = seen.rows + seen.damaged + seen.not_rows == 0
    search_from = text.at
    while True:
        found = ROW_BEGINS.search(text.held, search_from)
        if found is not None and len(text.held) - found.start() < _AHEAD and not text.at_end:
            found = None  # what follows it is needed as well
        elif found is not None:
            gap = text.held[text.at : found.start()]
            doubtful = behind_damage or (_REMAINS if first else _REMAINS_BETWEEN).search(gap)
            if doubtful and not stands_among_rows(text.held, text.at, found.start()):
                search_from = found.start() + 1  # it is inside the damaged row
                continue
            if not behind_damage:
                _count(gap, seen, first, before_object=True)
            text.at = found.start()
            return True
        if len(text.held) - text.at > 2 * _BLOCK:  # no object for long; the beginning of one may be cut by the block
            if not behind_damage:
                _count(text.held[text.at : -_AHEAD], seen, first)
            text.at = len(text.held) - _AHEAD
        search_from = max(search_from, text.at) - text.at
        if not text.more():
            if not behind_damage:
                _count(text.held[text.at :], seen, first)
            else:
                seen.closed |= text.held.rstrip().endswith("]")
            return False


def unknown_keys(row: Iterable[str]) -> list[str]:
    """The keys of a row that Django does not write: a changed letter in `pk` must not make a row without one. Exporters add `__names__`."""
    return [key for key in row if key not in _KEYS and not key.startswith("__")]


def _count(gap: str, seen: Splitting, first: bool, *, before_object: bool = False) -> None:
    """Count what stands between two objects: brackets of the array are its own, what may be left of a row is damage, the rest is noise."""
    left = gap.strip()
    if first:
        _count_before(left, seen, before_object=before_object)
        return
    seen.is_array |= before_object and left.startswith(",")
    left = left.strip(", \n\r\t")
    remains = _REMAINS_BETWEEN
    if left.startswith("]"):
        seen.closed, remains = True, _REMAINS
        left = left[1:].strip()
        if before_object and left.endswith("["):  # another dump was appended
            left, seen.closed = left[:-1].strip(), False
    elif not before_object:
        remains = _REMAINS
        if seen.is_array and left.endswith("]"):
            seen.closed, remains, left = True, _REMAINS_BETWEEN, left[:-1].strip()
    if remains.search(left):
        _damaged_text(seen, left)
    elif not before_object and not seen.closed and _begins_a_row(left):
        seen.cut = True
        seen.note(f"the last object is cut after {len(left.splitlines()[-1]):,} characters")
    else:
        seen.noise_after += len(left)


def _begins_a_row(text: str) -> bool:
    """Whether a text ends in the first characters of a row, such as `{"mod`, and not in a whole key of one."""
    last = "".join(text.rpartition("\n")[2].split())
    return bool(last) and any(begin.startswith(last) for begin in _BEGINNINGS)


def _count_before(left: str, seen: Splitting, *, before_object: bool) -> None:
    """Count what stands before the first object that begins as a row does."""
    if before_object and left.endswith(","):  # what stood before the comma was a row
        seen.is_array = True
        _damaged_text(seen, left)
        return
    if before_object and left.endswith("["):
        seen.is_array, left = True, left[:-1].rstrip()
    elif left == "[]":
        seen.is_array = seen.closed = True
        left = ""
    elif left == "[":
        seen.is_array, left = True, ""
    if _REMAINS.search(left):
        _damaged_text(seen, left)
    else:
        seen.noise_before += len(left)


def _damaged_text(seen: Splitting, left: str) -> None:
    seen.damaged += 1
    seen.note(f"{len(left):,} characters behind row {seen.rows:,} may be what is left of rows")


def _parse(text: _Text, seen: Splitting) -> tuple[Any, int] | None:
    """The object at the text's position and its end; None if it is damaged or cut."""
    while True:
        try:
            return _DECODE(text.held, text.at)
        except RecursionError:
            seen.damaged += 1
            seen.note("an object is nested too deeply")
            return None
        except json.JSONDecodeError as error:
            length = len(text.held) - text.at
            unfinished = error.pos >= len(text.held) - _NEAR or error.msg.startswith("Unterminated string")
            # Another row that begins before this one ends shows that it is damaged, and not only long.
            another = unfinished and (length > _GIVEN_UP or text.at_end) and _ROW.search(text.held, text.at + 1)
            if unfinished and not another and length < _LONGEST and text.more():
                continue
            if unfinished and not another and text.at_end:
                seen.cut = True
                text.at = len(text.held) - 1  # what is left of it is no noise
                seen.note(f"the last object is cut after {length:,} characters")
            else:
                seen.damaged += 1
                seen.note(f"an object cannot be parsed: {error.msg}")
            return None


class _Text:
    """The part of the stream that is held as text, and the position in it."""

    def __init__(self, stream: IO[bytes], seen: Splitting) -> None:
        self._stream, self._seen = stream, seen
        self._decoder: codecs.IncrementalDecoder | None = None
        self.held, self.at = "", 0
        self.at_end = False

    def more(self) -> bool:
        """Read on, and drop what is before the position; False if the stream had ended."""
        if self.at_end:
            return False
        # As much again while one object does not end, so that it is not parsed a hundred times.
        size = max(_BLOCK, len(self.held) - self.at)
        block, damage = (b"", "") if self._seen.stream_damage else read_block(self._stream, size)
        self._seen.stream_damage = self._seen.stream_damage or damage
        if self._decoder is None:
            self._seen.beginning = block[:_BEGINNING]
            self._decoder = codecs.getincrementaldecoder(_encoding(block))("surrogateescape")
        self.at_end = not block
        self.held = self.held[self.at :] + self._decoder.decode(block, final=self.at_end)
        self.at = 0
        return True


def _encoding(block: bytes) -> str:
    """The encoding by the byte order mark: a redirection in PowerShell writes UTF-16."""
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-8-sig"
