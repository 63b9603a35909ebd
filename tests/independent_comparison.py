"""An independent look at an EDMS: every value of every table, the schema and every file, with no code of the product.

SQLite is read with the standard library's driver, type of each value included; PostgreSQL with its own `pg_dump`.
Two systems are equal when their pictures are.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.reference_system import ReferenceEdms


def picture(edms: ReferenceEdms) -> dict[str, object]:
    """Everything the system holds, comparable with `==`."""
    database = (
        picture_of_sqlite(edms.database_path) if edms.engine == "sqlite" else picture_of_postgres(edms.database_url)
    )
    return {**database, "files": picture_of_files(edms.media)}


def hashes(edms: ReferenceEdms) -> dict[str, str]:
    """The SHA-256 of every part of the picture but the schema, to be kept in a file."""
    parts = {name: part for name, part in picture(edms).items() if name != "schema"}
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True, default=_plain).encode()).hexdigest()
        for name, part in parts.items()
    }


def picture_of_sqlite(path: Path) -> dict[str, object]:
    """Schema and rows of a SQLite file; floats by their exact hexadecimal form."""
    rows: dict[str, object] = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = _Text
        # Django registers it on its own connections, and a table that uses it cannot be read without. Nothing calls it:
        # what was computed with it is stored.
        connection.create_function("regexp", 2, _never, deterministic=True)
        schema = sorted(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall(), key=repr)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            quoted = '"' + name.decode().replace('"', '""') + '"'
            found = connection.execute(f"SELECT * FROM {quoted}").fetchall()
            rows[f"table {name.decode()}"] = sorted([_exact(value) for value in row] for row in found)
    return {"schema": schema, **rows}


def picture_of_postgres(url: str) -> dict[str, object]:
    """pg_dump's own words: the schema as it is, the rows of each COPY block sorted, the sequences' positions."""
    schema: list[str] = []
    sequences: list[str] = []
    picture: dict[str, object] = {"schema": schema, "sequences": sequences}
    block: list[str] | None = None
    for line in _pg_dump(url):
        if block is None and line.startswith("COPY ") and line.endswith(" FROM stdin;"):
            picture[line] = block = []
        elif block is not None and line == "\\.":
            block.sort()
            block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("SELECT pg_catalog.setval("):
            sequences.append(line)
        elif "SET (pg_attver=" not in line:  # the versions of columns, which a pg_dump older than the server writes
            schema.append(line)
    sequences.sort()
    return picture


def picture_of_files(root: Path) -> dict[str, tuple[str, int, str]]:
    """Path -> kind, size, SHA-256 of every entry below a folder."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders:
            path = Path(folder, name)
            found[os.fsdecode(os.path.relpath(path, root))] = ("folder", 0, "")
        for name in files:
            path = Path(folder, name)
            content = path.read_bytes()
            found[os.fsdecode(os.path.relpath(path, root))] = (
                "file",
                len(content),
                hashlib.sha256(content).hexdigest(),
            )
    return found


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """The names of the parts that differ, for a readable failure."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _never(*_: object) -> object:
    raise AssertionError("reading computed a value anew")


class _Text(bytes):
    """The bytes of a TEXT, whatever they are: BLOBs are read as plain bytes, and the two must not be taken for equal."""


def _exact(value: object) -> tuple[str, str]:
    if isinstance(value, float):
        return ("float", value.hex())
    return (type(value).__name__, repr(value))


def _pg_dump(url: str) -> list[str]:
    done = subprocess.run(["pg_dump", "--dbname", url], capture_output=True, text=True, check=True)
    # Newer versions bracket the script with a random word; comments name the version.
    return [line for line in done.stdout.split("\n") if not line.startswith(("\\restrict", "\\unrestrict", "--"))]


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
