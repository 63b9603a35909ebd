"""A backed-up EDMS whose repository is damaged for a while, and plain looks at what a salvage made of it."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from flows.restore import RestoreResult
from tests.direct_access import query
from tests.plain_snapshot_reader import PlainRepository
from tests.reference_system import ReferenceEdms
from tests.running import Protected

Json = dict[str, Any]
NEW_FILE = "written/later/report.pdf"


@dataclass(frozen=True)
class System:
    """A system and its snapshots, read by no code of the product."""

    protected: Protected
    snapshot: str
    first: str
    odd: int  # id of the document with a value that only text can carry

    @property
    def edms(self) -> ReferenceEdms:
        return self.protected.edms

    @property
    def plain(self) -> PlainRepository:
        return PlainRepository(self.protected.repository)

    @property
    def manifest(self) -> Json:
        return self.plain.manifest(self.snapshot)

    def entry(self, model: str) -> Json:
        (found,) = [entry for entry in self.manifest["tables"] if entry["table"]["model"] == model]
        return dict(found)

    def path(self, ref: Json) -> Path:
        return self.protected.repository / "objects" / ref["sha256"][:2] / ref["sha256"]

    def ids_of_chunk(self, entry: Json, chunk: Json) -> set[Any]:
        """Primary keys of the rows of a chunk that are the snapshot's."""
        rows = pd.read_parquet(io.BytesIO(self.path(chunk["object"]).read_bytes()), dtype_backend="pyarrow")
        if chunk["superseded"] is not None:
            rows = rows.drop(index=pd.read_parquet(io.BytesIO(self.path(chunk["superseded"]).read_bytes()))["row"])
        return set(rows[entry["table"]["primary_key"][0]])

    @property
    def into(self) -> tuple[str, str]:
        """The name of a database beside the live one, and its URL."""
        folder = Path(tempfile.mkdtemp(dir=self.protected.config.parent))
        if self.edms.engine == "sqlite":
            into = str(folder / "left.sqlite3")
            return into, f"sqlite:///{into}"
        into = f"{self.edms.database_name}_{folder.name.lower()}"
        return into, self.edms.database_url.replace(self.edms.database_name, into)

    def salvage(self, folder: Path, snapshot: str | None = None) -> Salvaged:
        """Salvage into a database and folder beside the live ones."""
        into, url = self.into
        result = self.protected.restore(snapshot or self.snapshot, salvage=True, into=into, into_files=folder / "files")
        copy = ReferenceEdms(engine=self.edms.engine, database_url=url, media=folder / "files/media")
        return Salvaged(result, copy)


@dataclass(frozen=True)
class Salvaged:
    """What a salvage into a copy left."""

    result: RestoreResult
    copy: ReferenceEdms

    @property
    def report(self) -> Json:
        report: Json = json.loads(self.result.report_json.read_text(encoding="utf-8"))
        return report

    def list(self, name: str) -> pd.DataFrame:
        """A list beside the report, every cell as text."""
        return pd.read_csv(self.result.report_json.parent / name, dtype="str", keep_default_na=False)


@contextmanager
def damaged(*damages: tuple[Path, Callable[[Path], object]]) -> Iterator[None]:
    """Files damaged inside, and as they were afterwards."""
    with tempfile.TemporaryDirectory() as kept:
        for number, (path, damage) in enumerate(damages):
            shutil.copy2(path, Path(kept) / str(number))
            damage(path)
        try:
            yield
        finally:
            for number, (path, _) in enumerate(damages):
                path.unlink(missing_ok=True)
                shutil.copy2(Path(kept) / str(number), path)


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """The first half alone is left."""
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[: len(content) // 2])


def rows(edms: ReferenceEdms, table: Json) -> dict[Any, tuple[Any, ...]]:
    """Primary key -> row, as the engine's own driver reads it, dates that Python lacks as text."""
    shown = ", ".join(
        f'CAST("{column["name"]}" AS text)' if column["logical_type"] == "date" else f'"{column["name"]}"'
        for column in table["columns"]
    )
    key = [column["name"] for column in table["columns"]].index(table["primary_key"][0])
    return {row[key]: row for row in query(edms, f'SELECT {shown} FROM "{table["name"]}"')}
