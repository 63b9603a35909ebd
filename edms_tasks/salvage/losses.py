"""The losses of a salvage, as values: row ranges, files, and references that now dangle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LostObject:
    """An object of the repository that is missing or damaged."""

    sha256: str
    why: str


@dataclass(frozen=True)
class LostChunk:
    """A range of a table's rows that is lost."""

    number: int  # of the chunk, from 1
    of: int  # number of the table's chunks
    rows: int  # number of lost rows; superseded ones do not count
    first_row: int  # position in the snapshot's order of the table's rows, from 0
    object: LostObject
    ids: str = ""  # what is known of the rows' primary keys, in words; "" if nothing is

    @property
    def row_range(self) -> str:
        """The range in words."""
        if not self.rows:
            return "no row"
        last = self.first_row + self.rows - 1
        return f"row {self.first_row:,}" if self.rows == 1 else f"rows {self.first_row:,} to {last:,}"


@dataclass(frozen=True)
class TableLoss:
    """The losses of one table."""

    table_id: str
    label: str
    rows: int  # in the snapshot
    kept: int
    chunks: tuple[LostChunk, ...]
    why: str = ""  # the reason, if it is not damage of the chunks

    @property
    def lost(self) -> int:
        """Rows that are lost."""
        return self.rows - self.kept


@dataclass(frozen=True)
class FilesLoss:
    """The losses of one folder of files."""

    root: str
    files: int  # in the snapshot
    kept: int
    named: int  # lost files whose names are known
    examples: tuple[str, ...]  # the first of those
    pieces: tuple[LostObject, ...]  # pieces of the index: the files in them are lost with their names
    packs: tuple[LostObject, ...]
    wrong: int = 0  # number of contents in intact packs that do not match the index
    bare_folders: int = 0  # number of folders that were made up for their files: their rights and times are lost
    why: str = ""  # the reason, if it is none of these

    @property
    def lost(self) -> int:
        """Files that are lost."""
        return self.files - self.kept

    @property
    def nameless(self) -> int:
        """Number of lost files whose names are lost, too."""
        return self.lost - self.named


@dataclass(frozen=True)
class Dangling:
    """Restored rows that refer to lost rows or files."""

    label: str
    reference: str
    kind: str  # foreign, one_to_one, many_to_many, generic, soft, file, absent file (perhaps it was never there)
    rows: int
    examples: tuple[str, ...]  # some of the rows


@dataclass(frozen=True)
class FilesOfLostRows:
    """Restored files whose names contain ids of lost rows."""

    root: str
    pattern: str
    files: int


@dataclass(frozen=True)
class Losses:
    """All losses of a salvaged snapshot."""

    tables: tuple[TableLoss, ...]
    files: tuple[FilesLoss, ...]
    dangling: tuple[Dangling, ...] = ()
    named_files: tuple[FilesOfLostRows, ...] = ()
    lists: Mapping[str, int] | None = None  # file beside the report -> number of lines; they name all rows and files

    @property
    def rows(self) -> int:
        """Rows that are lost."""
        return sum(table.lost for table in self.tables)

    @property
    def file_count(self) -> int:
        """Files that are lost."""
        return sum(loss.lost for loss in self.files)

    @property
    def objects(self) -> tuple[LostObject, ...]:
        """Every damaged or missing object of the repository, once."""
        found = [chunk.object for table in self.tables for chunk in table.chunks]
        found += [lost for loss in self.files for lost in (*loss.pieces, *loss.packs)]
        return tuple({lost.sha256: lost for lost in found}.values())

    def sentences(self) -> tuple[str, ...]:
        """A line for each table, range of rows, folder and reference."""
        lines = []
        for table in self.tables:
            lines.append(f"{table.label}: {table.lost:,} of {table.rows:,} rows are lost" + _because(table.why))
            for chunk in table.chunks:
                ids = f"; {chunk.ids}" if chunk.ids else ""
                lines.append(
                    f"{table.label}: {chunk.row_range} (chunk {chunk.number} of {chunk.of}{ids}): "
                    f"object {chunk.object.sha256}: {chunk.object.why}"
                )
        for loss in self.files:
            lines.append(f"files of {loss.root}: {loss.lost:,} of {loss.files:,} are lost" + _because(loss.why))
            lines += [f"files of {loss.root}: object {lost.sha256}: {lost.why}" for lost in (*loss.pieces, *loss.packs)]
            if loss.wrong:
                lines.append(f"files of {loss.root}: {loss.wrong:,} contents are not what the index says")
            if loss.bare_folders:
                lines.append(f"files of {loss.root}: rights and times of {loss.bare_folders:,} folders are lost")
            if loss.nameless:
                lines.append(f"files of {loss.root}: the names of {loss.nameless:,} lost files are lost as well")
        for one in self.dangling:
            what = "name files that are not there" if one.kind == "absent file" else "refer to lost rows"
            lines.append(f"{one.label}.{one.reference}: {one.rows:,} restored rows {what}")
        for named in self.named_files:
            lines.append(
                f"files of {named.root}: {named.files:,} restored files are named by ids of lost rows ({named.pattern})"
            )
        for loss in self.files:
            lines += [f"files of {loss.root}: lost: {name}" for name in loss.examples]
            if loss.named > len(loss.examples):
                lines.append(f"files of {loss.root}: lost: … and {loss.named - len(loss.examples):,} more")
        return tuple(lines)

    def as_json(self) -> dict[str, Any]:
        """The losses for `--json` and the report."""
        return {
            "rows_lost": self.rows,
            "files_lost": self.file_count,
            "tables": [
                {**asdict(table), "lost": table.lost, "chunks": [_chunk_json(chunk) for chunk in table.chunks]}
                for table in self.tables
            ],
            "files": [{**asdict(loss), "lost": loss.lost, "nameless": loss.nameless} for loss in self.files],
            "dangling": [asdict(one) for one in self.dangling],
            "named_files": [asdict(named) for named in self.named_files],
            "lists": dict(self.lists or {}),
        }


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _chunk_json(chunk: LostChunk) -> dict[str, Any]:
    words = {"row_range": chunk.row_range, "said": chunk.row_range}  # `said` is its older name
    return {**asdict(chunk), "last_row": chunk.first_row + chunk.rows - 1, **words}
