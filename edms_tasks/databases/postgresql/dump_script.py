"""Split a plain SQL dump into statements, rows of COPY, and psql's commands, as psql would, without running anything.

The dump is a stream of bytes that is read once. Only a statement, or a piece of the rows, is in memory at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from edms_tasks.errors import CheckFailed

_PIECE = 1 << 20
_LONGEST_STATEMENT = 256 << 20
_ROOM = 256  # a token that begins so near to the end of what was read may be longer
_TOKEN = re.compile(
    rb"""['"(){};\\] | --[^\n]* | /\* | \$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$ | \b(?:BEGIN|CASE|END)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_IN_A_WORD = re.compile(rb"[A-Za-z0-9_$\x80-\xff]")
_ROUTINE = re.compile(rb"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_COPY = re.compile(rb"\s*COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
_CONFORMING = re.compile(rb"\s*SET\s+standard_conforming_strings\s*(?:=|TO)\s*'?(\w+)'?\s*$", re.IGNORECASE)
_LEADING = re.compile(rb"(?:\s+|--[^\n]*(?:\n|$))+")
_END = re.compile(rb"\\\.(?<![^\n]\\\.)\r?(?:\n|$)")  # so, and not with ^ first, it is found five times faster
# The comment with which pg_dump begins what comes next, or ends the dump. Rows never hold it; what is left of a row may stand before it.
_NEXT = re.compile(
    rb"--\r?\n-- (?:(?:Data for )?Name: [^\n]*; Type: [^\n]*; Schema: [^\n]*; Owner: [^\n]*|"
    rb"PostgreSQL database (?:cluster )?dump complete\r?)\n--\r?\n"
)
_LONGEST_COMMENT = 4096


class ReadableStream(Protocol):
    """What a dump is read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


@dataclass(frozen=True)
class Statement:
    """A statement without its semicolon and the comments before it, and the line of the dump where it begins."""

    text: bytes
    line: int
    unfinished: bool = False  # the dump ends inside it

    @property
    def takes_rows(self) -> bool:
        """Whether it is COPY … FROM stdin: its rows follow it."""
        return _COPY.match(self.text) is not None


@dataclass(frozen=True)
class PsqlCommand:
    """A command of psql, which begins with a backslash; one in the middle of a statement too."""

    text: bytes
    line: int


@dataclass
class DumpScript:
    """The parts of a plain SQL dump, in order.

    After a statement that takes rows, `rows` gives them; rows that are not asked for are passed over.
    """

    stream: ReadableStream
    comments: list[bytes] = field(default_factory=list)
    """The first and the last comments: pg_dump says there which version it is, and that it is done."""
    rows_were_cut: bool = False  # the dump ended inside rows
    rows_had_no_end: bool = False  # those of the last COPY, and the dump went on after them
    _buffer: bytearray = field(default_factory=bytearray)
    _at: int = 0
    _line: int = 1
    _ended: bool = False
    _conforming: bool = True
    _rows_follow: bool = False

    def __iter__(self) -> Iterator[Statement | PsqlCommand]:
        while (part := self._next()) is not None:
            if isinstance(part, Statement):
                if found := _CONFORMING.match(part.text):
                    self._conforming = found[1].lower() in (b"on", b"true", b"1", b"yes")
                self._rows_follow = part.takes_rows
            yield part
            if self._rows_follow:
                for _ in self.rows():
                    pass

    def rows(self) -> Iterator[bytes]:
        """The rows of the COPY that came last, in pieces of whole lines."""
        assert self._rows_follow  # only once, and after a statement that takes rows
        self._rows_follow = self.rows_had_no_end = False
        self._skip_line()
        while True:
            found = _END.search(self._buffer)
            is_certain = found is not None and (found[0].endswith(b"\n") or self._ended)
            follows = _NEXT.search(self._buffer, 0, found.start() if found is not None else len(self._buffer))
            if follows is not None:
                self.rows_had_no_end = True
                begun = self._last_row(follows.start())
                yield from self._taken(begun)
                self._take(follows.start() - begun)
                return
            if found is not None and is_certain:
                yield from self._taken(found.start())
                self._take(found.end() - found.start())
                return
            if self._ended:
                self.rows_were_cut = True
                yield from self._taken(self._beginning_of_line(len(self._buffer)))
                self._take(len(self._buffer))
                return
            # The mark, or the comment, may have begun at the end of what was read.
            comment = self._buffer.find(b"--", max(0, len(self._buffer) - _LONGEST_COMMENT))
            yield from self._taken(self._last_row(comment if comment >= 0 else len(self._buffer)))
            self._read()

    def _beginning_of_line(self, at: int) -> int:
        return self._buffer.rfind(b"\n", 0, at) + 1

    def _last_row(self, at: int) -> int:
        """The end of the last row before a comment, if one begins there: pg_dump writes two empty lines before it."""
        end = self._beginning_of_line(at)
        for _ in range(2):
            line = self._beginning_of_line(end - 1) if end else end
            if bytes(self._buffer[line:end]) not in (b"\n", b"\r\n"):
                break
            end = line
        return end

    def _taken(self, length: int) -> Iterator[bytes]:
        if length:
            yield self._take(length)

    def _next(self) -> Statement | PsqlCommand | None:
        self._drop_leading()
        scan = _Scan(conforming=self._conforming)
        begins = self._line
        at = 0
        while True:
            token = self._token(at)
            if token is None:
                break
            if token[0] == b"\\":
                return self._command(token.start())
            if token[0] == b";" and scan.is_outside:
                text = self._take(token.start())
                self._take(1)
                return Statement(bytes(text).rstrip(), begins)
            at = self._after(token, scan)
            if at < 0:
                break
        text = self._take(len(self._buffer))
        if not (left := text.strip()):
            return None
        return Statement(left, begins, unfinished=True)

    def _token(self, at: int) -> re.Match[bytes] | None:
        """The next token from here that is whole."""
        while True:
            found = _TOKEN.search(self._buffer, at)
            if self._ended or (found is not None and found.end() < len(self._buffer) - _ROOM):
                return found
            at = max(at, found.start() if found is not None else len(self._buffer) - _ROOM)
            self._read()

    def _after(self, token: re.Match[bytes], scan: _Scan) -> int:
        """Where the token ends: a quoted text or a comment where that ends; -1 if the dump ends before."""
        word, start, end = token[0], token.start(), token.end()
        if word.startswith(b"--"):
            # A comment may be longer than what was read of it.
            return self._find(re.compile(rb"\n|$"), start) if self._ended else self._find(re.compile(rb"\n"), start)
        if word == b"/*":
            return self._after_comment(end)
        if word == b'"':
            return self._find(re.compile(rb'"'), end)
        if word == b"'":
            escapes = not scan.conforming or self._is_escape_string(start)
            return self._after_text(end, escapes=escapes)
        if word.startswith(b"$"):
            if start and _IN_A_WORD.match(self._buffer, start - 1):
                return start + 1
            return self._find(re.compile(re.escape(word)), end)
        if word in b"()":
            scan.depth = max(0, scan.depth + (1 if word == b"(" else -1))
        elif word.isalpha():
            scan.note(word.upper(), is_routine=_ROUTINE.match(self._buffer) is not None)
        return end

    def _is_escape_string(self, quote: int) -> bool:
        before = bytes(self._buffer[max(0, quote - 2) : quote])
        return before[-1:].upper() == b"E" and not (len(before) > 1 and _IN_A_WORD.match(before))

    def _after_text(self, at: int, *, escapes: bool) -> int:
        """Where the text ends. Without escapes, a text with '' in it is two texts for us."""
        if not escapes:
            return self._find(re.compile(rb"'"), at)
        while True:
            end = self._find(re.compile(rb"[\\']"), at)
            if end < 0:
                return end
            while end >= len(self._buffer) and not self._ended:
                self._read()
            is_quote = self._buffer[end - 1 : end] == b"'"
            if is_quote and self._buffer[end : end + 1] != b"'":
                return end
            at = end + 1

    def _after_comment(self, at: int) -> int:
        depth = 1
        while depth:
            at = self._find(re.compile(rb"/\*|\*/"), at)
            if at < 0:
                return -1
            depth += 1 if self._buffer[at - 2 : at] == b"/*" else -1
        return at

    def _find(self, pattern: re.Pattern[bytes], at: int) -> int:
        """The end of the pattern's next match from here; -1 if there is none."""
        while True:
            found = pattern.search(self._buffer, at)
            if found is not None:
                return found.end()
            if self._ended:
                return -1
            at = max(at, len(self._buffer) - _ROOM)
            self._read()

    def _command(self, at: int) -> PsqlCommand:
        """psql's command: the rest of the line. What stands before it on the line belongs to no statement that could be run."""
        line = self._line + self._buffer.count(b"\n", 0, at)
        end = self._find(re.compile(rb"\n"), at)
        text = bytes(self._buffer[at : end if end >= 0 else len(self._buffer)]).strip()
        self._take(end if end >= 0 else len(self._buffer))
        return PsqlCommand(text, line)

    def _drop_leading(self) -> None:
        """Drop blanks and comments before the next statement; keeps what comments say."""
        while True:
            found = _LEADING.match(self._buffer)
            end = found.end() if found is not None else 0
            if not self._ended and len(self._buffer) - end < _ROOM:
                self._read()
                continue
            self._note(self._take(end))
            if not self._buffer.startswith(b"/*"):
                return
            end = self._after_comment(2)
            self._take(end if end >= 0 else len(self._buffer))

    def _note(self, text: bytes) -> None:
        for line in text.splitlines():
            if line.startswith(b"--") and line.strip(b"- "):
                if len(self.comments) >= 40:  # the first twenty, and the last twenty
                    del self.comments[20]
                self.comments.append(line[2:].strip())

    def _skip_line(self) -> None:
        """Skip the rest of the line of a COPY."""
        end = self._find(re.compile(rb"\n"), 0)
        self._take(end if end >= 0 else len(self._buffer))

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._line += taken.count(b"\n")
        return taken

    def _read(self) -> None:
        if len(self._buffer) > _LONGEST_STATEMENT:
            raise CheckFailed(
                "A statement of the dump is too long.",
                where=f"line {self._line}",
                why=f"It has more than {_LONGEST_STATEMENT >> 20:,} MiB: a quotation mark may be damaged.",
                fix="Use another dump, or repair it there.",
            )
        piece = self.stream.read(_PIECE)
        if piece:
            self._buffer += piece
        else:
            self._ended = True


@dataclass
class _Scan:
    """Where in a statement we are."""

    conforming: bool
    depth: int = 0  # of parentheses: a semicolon in them ends nothing (CREATE RULE)
    blocks: int = 0  # of BEGIN ATOMIC in the body of a function

    @property
    def is_outside(self) -> bool:
        return self.depth == 0 and self.blocks == 0

    def note(self, word: bytes, *, is_routine: bool) -> None:
        if not is_routine or self.depth:
            return
        if word == b"BEGIN" or (word == b"CASE" and self.blocks):
            self.blocks += 1
        elif word == b"END" and self.blocks:
            self.blocks -= 1
