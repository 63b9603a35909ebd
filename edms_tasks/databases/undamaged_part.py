"""Read a dump up to where its file is damaged, instead of not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

_PIECE = 1 << 20


class UndamagedPart:
    """A stream that ends where it is damaged, and says so; what comes before is given."""

    def __init__(
        self, stream: IO[bytes], is_damage: Callable[[BaseException], bool], note: Callable[[str], None]
    ) -> None:
        # `read` of a compressed file loses what it has when it meets damage; `read1` gives it first.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._is_damage, self._note, self._is_damaged = is_damage, note, False

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        taken = bytearray()
        while len(taken) < size and not self._is_damaged:
            try:
                piece = self._read(size - len(taken))
            except Exception as error:
                if not self._is_damage(error):
                    raise
                self._is_damaged = True
                self._note(str(error) or type(error).__name__)
                break
            if not piece:
                break
            taken += piece
        return bytes(taken)

    def lines(self, longest: int) -> Iterator[bytes]:
        """The lines with their ends; the last one may have none. A longer one comes in pieces, so that none fills the memory."""
        held = bytearray()
        while piece := self.read(_PIECE):
            *whole, rest = piece.split(b"\n")
            for line in whole:
                yield b"".join((held, line, b"\n"))
                held.clear()
            held += rest
            if len(held) >= longest:
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)
