"""Rows on their way into the scratch folder: one file of JSON lines a model, written in pieces so that no file stays open."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.errors import UnreadableBackup
from edms_tasks.legacy.old_backup import ModelRows, Scratch

_PIECE = 1 << 20
_HELD = 32 << 20
_MODELS = 5_000


class RowFiles:
    """Collects the rows of each model."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._counts: dict[str, int] = {}
        self._paths: dict[str, Path] = {}
        self._held: dict[str, list[str]] = {}
        self._longest: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._size = 0

    @property
    def rows(self) -> int:
        """The number of rows so far."""
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Model -> its rows so far."""
        return dict(self._counts)

    def add(self, model: str, line: str) -> None:
        """Add a row: a JSON object with `pk` and `fields`, in one line; it gets its number as `n`.

        Raises:
            UnreadableBackup: there are more models than any EDMS has.
        """
        model = model.lower()
        if model not in self._counts:
            if len(self._counts) == _MODELS:
                raise UnreadableBackup(
                    f"It names more than {_MODELS:,} models.",
                    fix="This is no backup of an EDMS: look at it with an editor.",
                )
            # Names from a backup must not become paths.
            self._paths[model] = self._scratch.folder / f"{len(self._paths):04d}.jsonl"
            self._counts[model], self._sizes[model], self._held[model] = 0, 0, []
            self._longest[model] = 0
        self._counts[model] += 1
        if self._scratch.look_only:
            return
        line = f'{{"n": {self._counts[model]}, {line[1:]}'
        self._held[model].append(line)
        if len(line) > self._longest[model]:
            self._longest[model] = len(line)
        self._sizes[model] += len(line)
        self._size += len(line)
        if self._sizes[model] > _PIECE:
            self._write(model)
        elif self._size > _HELD:
            for one in self._held:
                self._write(one)

    def finish(self) -> tuple[ModelRows, ...]:
        """Write what is held, and return the rows of each model."""
        for model in self._held:
            self._write(model)
        look_only = self._scratch.look_only
        return tuple(
            ModelRows(model, count, None if look_only else self._paths[model], 4 * self._longest[model])  # UTF-8
            for model, count in sorted(self._counts.items())
        )

    def _write(self, model: str) -> None:
        if self._held[model]:
            with self._paths[model].open("a", encoding="utf-8") as stream:
                stream.write("\n".join(self._held[model]))
                stream.write("\n")
            self._size -= self._sizes[model]
            self._sizes[model], self._held[model] = 0, []
