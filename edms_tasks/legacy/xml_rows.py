"""Rows of a fixture in XML, as the same lines of JSON. Entities are refused; damage costs the rows it hits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

from edms_tasks.legacy.json_rows import Splitting
from edms_tasks.legacy.source import read_block

_BLOCK = 1 << 18
_LONGEST = 32 << 20
_OBJECT = re.compile(rb"<object\s[^<>]*\bmodel\s*=")
_ROOT = b"<django-objects>"
_OF_FIELDS = frozenset(["name", "type", "rel", "to"])
_OF_TEXTS = re.compile(
    r".*(?:Char|Text|File|FilePath|Image|Slug|URL|Email|Binary|Array|HStore|Range|Decimal|Float|Integer|UUID|Duration)Field$"
)
_OF_ROWS = frozenset(["model", "pk"])


class EntitiesRefused(ValueError):
    """The document declares entities or a document type, which no fixture does."""


def split_xml(stream: IO[bytes], seen: Splitting) -> Iterator[tuple[str, str]]:
    """(model, row as JSON in one line) of each row; what is wrong is added to `seen`."""
    seen.is_array = True
    pieces = _Pieces(stream, seen)
    parser = _Parser(seen)
    first = pieces.read()
    begin = re.search(rb"<\?xml|<django-objects", first)
    if begin is None:
        seen.noise_before += len(first.strip())
        return
    seen.noise_before += len(first[: begin.start()].strip())
    block = pieces.begin(first[begin.start() :])
    while True:
        problem = parser.feed(block, pieces.at_end)
        yield from parser.take()
        if problem and not pieces.at_end and problem.is_fatal:
            seen.damaged += 1
            seen.note(problem.text)
            return
        if problem:
            rest = pieces.resume(block[problem.offset :])
            if rest is None:
                break
            seen.damaged += 1
            seen.note(problem.text)
            parser = _Parser(seen)
            block = _ROOT + rest
            continue
        if pieces.at_end:
            break
        block = pieces.read()
    seen.closed = parser.closed
    seen.cut = not parser.closed and parser.inside


class _Problem:
    def __init__(self, text: str, offset: int, is_fatal: bool = False) -> None:
        self.text, self.offset, self.is_fatal = text, offset, is_fatal


class _Pieces:
    """Blocks of the stream."""

    def __init__(self, stream: IO[bytes], seen: Splitting) -> None:
        self._stream, self._seen = stream, seen
        self.at_end = False
        self._is_inside = False  # behind the beginning of the root element
        self._is_of_windows = False
        self._held = b""  # half a line break

    def begin(self, first: bytes) -> bytes:
        """The first block from the document's beginning on."""
        before, root, rest = first.partition(b"<django-objects")
        self._is_of_windows, self._is_inside = b"\r\n" in before, True
        return before + root + self._with_returns(rest)

    def _with_returns(self, block: bytes) -> bytes:
        """Keep carriage returns: Django writes them as they are, parsers of XML take them for line breaks. In Windows' files they are."""
        if not self._is_of_windows:
            return block.replace(b"\r", b"&#13;")
        block, self._held = self._held + block, b""
        if block.endswith(b"\r") and not self.at_end:
            block, self._held = block[:-1], b"\r"
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"&#13;")

    def read(self) -> bytes:
        block, damage = (b"", "") if self._seen.stream_damage else read_block(self._stream, _BLOCK)
        self._seen.stream_damage = self._seen.stream_damage or damage
        self.at_end = not block
        return self._with_returns(block) if self._is_inside else block

    def resume(self, rest: bytes) -> bytes | None:
        """The stream from the next row on; None if there is none."""
        held = rest
        while True:
            found = _OBJECT.search(held, 1)
            if found is not None:
                return held[found.start() :]
            if self.at_end:
                return None
            held = held[-256:] + self.read()


class _Parser:
    """Expat with the rows that are complete so far."""

    def __init__(self, seen: Splitting) -> None:
        self._seen = seen
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._data
        self._expat.EntityDeclHandler = self._refuse
        self._expat.StartDoctypeDeclHandler = self._refuse
        self._ready: list[tuple[str, str]] = []
        self._fed = 0
        self._row: dict[str, Any] | None = None
        self._model = ""
        self._field: dict[str, str] | None = None
        self._text: list[str] = []
        self._size = 0
        self._natural: list[str] | None = None
        self._many: list[Any] | None = None
        self._is_none = False
        self.closed = False

    @property
    def inside(self) -> bool:
        """Whether a row has begun and not ended."""
        return self._row is not None

    def take(self) -> list[tuple[str, str]]:
        """The complete rows since the last call."""
        taken, self._ready = self._ready, []
        return taken

    def feed(self, block: bytes, is_last: bool) -> _Problem | None:
        """Parse a block; the problem if it is not well-formed."""
        before = self._fed
        self._fed += len(block)
        try:
            self._expat.Parse(block, is_last)
        except expat.ExpatError as error:
            if self.closed and error.code == expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]:
                self._seen.noise_after += len(block)
                return None
            if is_last and not block:
                return _Problem(f"it ends too early: {error}", 0) if not self.closed else None
            offset = min(max(self._expat.ErrorByteIndex - before, 0), len(block))
            return _Problem(f"a row cannot be parsed: {expat.ErrorString(error.code)}", offset)
        except EntitiesRefused as error:
            return _Problem(str(error), 0, is_fatal=True)
        except (LookupError, ValueError) as error:  # expat asks Python for encodings that it does not know
            return _Problem(f"it was not read on: {error}", 0, is_fatal=True)
        return None

    def _refuse(self, *_: object) -> None:
        raise EntitiesRefused("it declares a document type or entities, which no fixture does: it was not read on")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "object" and self._field is None:
            self._model = attributes.get("model", "") if attributes.keys() <= _OF_ROWS else ""
            self._row = {"fields": {}}
            if "pk" in attributes:
                self._row["pk"] = attributes["pk"]
        elif name == "field" and self._row is not None and self._field is None:
            self._field, self._text, self._size, self._is_none = attributes, [], 0, False
            self._natural = None
            if (
                "name" not in attributes
                or not attributes.keys() <= _OF_FIELDS
                or not attributes.keys() & {"type", "rel"}
            ):
                self._model = ""  # a field that is not known
            self._many = [] if attributes.get("rel") == "ManyToManyRel" else None
        elif name == "None" and self._field is not None:
            self._is_none = True
        elif name == "natural" and self._field is not None:
            self._natural = [] if self._natural is None else self._natural
            self._text = []
        elif name == "object" and self._many is not None and attributes:
            if "pk" in attributes:
                self._many.append(attributes["pk"])
            else:
                self._model = ""  # an entry that is not known

    def _data(self, text: str) -> None:
        if self._field is not None:
            self._size += len(text)
            if self._size > _LONGEST:
                raise EntitiesRefused("a value is longer than 32 MB: it was not read on")
            self._text.append(text)

    def _end(self, name: str) -> None:
        if name == "django-objects":
            self.closed = True
        elif name == "natural" and self._natural is not None:
            self._natural.append("".join(self._text))
            self._text = []
        elif name == "object" and self._many is not None:
            if self._natural is not None:
                self._many.append(self._natural)
            self._natural = None
        elif name == "field" and self._field is not None and self._row is not None:
            self._row["fields"][self._field.get("name", "")] = self._value()
            self._field, self._many = None, None
        elif name == "object" and self._row is not None and self._field is None:
            if self._model:
                self._ready += self._seen.row(self._model, json.dumps(self._row), has_key="pk" in self._row)
            else:
                self._seen.not_rows += 1
                self._seen.note("an object has no `model`, an attribute that no row has, or a document that is no JSON")
            self._row = None

    def _value(self) -> Any:
        assert self._field is not None
        if self._many is not None:
            return self._many
        if self._natural is not None:
            return self._natural
        if self._is_none:
            return None
        text = "".join(self._text)
        kind = self._field.get("type", "")
        # A field of the EDMS's own may be one of documents under another name.
        if kind == "JSONField" or (
            text[:1] in ("{", "[", '"') and not _OF_TEXTS.match(kind) and "rel" not in self._field
        ):
            try:
                return json.loads(text, parse_constant=_refused_constant)
            except (ValueError, RecursionError):
                self._model = ""  # as a text it would be another value
        return text


def _refused_constant(name: str) -> None:
    raise ValueError(name)
