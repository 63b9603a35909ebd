"""Compare two databases and two folders to the last column, microsecond and byte, with no code of the product.

    python -m tests.real.compare folder FOLDER --write FILE        write down what a folder holds
    python -m tests.real.compare folder FOLDER --against FILE      compare it with that; --without NAME leaves one file out
    python -m tests.real.compare databases ONE OTHER               compare pg_dump's words on both URLs, or two SQLite files

Exit code 0: equal. 1: different; what differs is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.independent_comparison import differences, picture_of_files, picture_of_postgres, picture_of_sqlite

SHOWN = 20


def main() -> int:
    """Compare as the arguments say."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    databases = kinds.add_parser("databases")
    databases.add_argument("before")
    databases.add_argument("after")
    folder = kinds.add_parser("folder")
    folder.add_argument("folder", type=Path)
    folder.add_argument("--write", type=Path)
    folder.add_argument("--against", type=Path)
    folder.add_argument("--without", metavar="NAME", help="a file that is left out")
    options = parser.parse_args()
    if options.kind == "databases":
        return compare_databases(options.before, options.after)
    found = described(options.folder)
    if options.write:
        options.write.write_text(json.dumps(found))
        return 0
    written = json.loads(options.against.read_text())
    if options.without:
        # It must be there on both sides: leaving out what does not exist would be a slip.
        del written[options.without], found[options.without]
    return compare_folders(written, found)


def compare_databases(before_name: str, after_name: str) -> int:
    """Schema, rows and sequences of both."""
    before, after = _picture(before_name), _picture(after_name)
    different = differences(before, after)
    for name in different[:SHOWN]:
        _say(f"different: {name[:120]}")
        _show(before.get(name), after.get(name))
    tables = {name: rows for name, rows in before.items() if name.startswith(("COPY ", "table "))}
    if not tables:
        _say("nothing was compared: the first database has no table")
        return 1
    rows = sum(len(found) for found in tables.values() if isinstance(found, list))
    columns = sum(_columns(name, found) for name, found in tables.items())
    _say(f"{len(tables)} tables, {columns} columns, {rows:,} rows: {len(different)} differences")
    return 1 if different else 0


def _picture(database: str) -> dict[str, object]:
    if database.startswith("postgresql://"):
        return picture_of_postgres(database)
    if not Path(database).is_file():  # SQLite would make it
        sys.exit(f"there is no {database}")
    return picture_of_sqlite(Path(database))


def _columns(name: str, rows: object) -> int:
    """How many columns were compared: COPY names them, SQLite's rows have them."""
    if name.startswith("COPY "):
        return name.count(", ") + 1
    return len(rows[0]) if isinstance(rows, list) and rows else 0


def described(folder: Path) -> dict[str, Any]:
    """Path -> kind, size, SHA-256, permissions and time of change, of everything below a folder."""
    return {
        name: [*facts, oct(status.st_mode), status.st_mtime_ns if facts[0] == "file" else 0]
        for name, facts in picture_of_files(folder).items()
        for status in [(folder / name).stat()]
    }


def compare_folders(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Everything that was written down about both."""
    different = differences(before, after)
    for name in different[:SHOWN]:
        _say(f"different: {name}: {before.get(name)} became {after.get(name)}")
    files = [facts for facts in before.values() if facts[0] == "file"]
    if not files:
        _say("nothing was compared: the first folder has no file")
        return 1
    size = sum(facts[1] for facts in files)
    _say(f"{len(files):,} files, {len(before) - len(files)} folders, {size:,} bytes: {len(different)} differences")
    return 1 if different else 0


def _show(before: object, after: object) -> None:
    """The first line that only one side has, of each side."""
    sides = [[str(line) for line in side] if isinstance(side, list) else [] for side in (before, after)]
    for sign, lines, others in (("-", sides[0], sides[1]), ("+", sides[1], sides[0])):
        known = set(others)
        alone = [line for line in lines if line not in known]
        if alone:
            _say(f"  {sign} {' '.join(alone[0].split())[:160]} ({len(alone)} such lines)")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
