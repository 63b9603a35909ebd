"""What comes before the damage of a stream is read, in lines that no hostile file makes longer than the memory."""

from __future__ import annotations

import gzip
import io

from edms_tasks.databases.undamaged_part import UndamagedPart

_LONGEST = 1 << 20


def test_lines_come_as_they_are_and_one_without_an_end_in_pieces() -> None:
    text = b"a\n\nb;\n" + b"x" * 5 * _LONGEST + b"\nlast"
    noted: list[str] = []

    lines = [*UndamagedPart(io.BytesIO(text), lambda _: False, noted.append).lines(_LONGEST)]

    assert b"".join(lines) == text
    assert lines[:3] == [b"a\n", b"\n", b"b;\n"]
    assert lines[-1] == b"last"
    assert max(map(len, lines)) < 3 * _LONGEST
    assert noted == []


def test_a_stream_ends_where_it_is_damaged_and_says_so() -> None:
    cut = gzip.compress(b"one\ntwo\n" * 9)[:-9]
    noted: list[str] = []
    part = UndamagedPart(
        gzip.GzipFile(fileobj=io.BytesIO(cut)), lambda error: isinstance(error, EOFError), noted.append
    )

    assert [*part.lines(_LONGEST)][:2] == [b"one\n", b"two\n"]
    assert len(noted) == 1
