"""The office of the course: a document system to be backed up, and the accidents that befall it.

    python docs/course/office.py new FOLDER            an EDMS with 40 documents in FOLDER/edms
    python docs/course/office.py day FOLDER            a day's work: what must be kept
    python docs/course/office.py accident NAME FOLDER  quiet, deleted, reinit or disk

What must be there in the end is kept in FOLDER/.course, for examination.py. Standard library only; it knows nothing of edms-backup
but where a repository keeps its objects.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parent.parent.parent / "reference_edms"
DOCUMENTS = 40


class Office:
    """The folder of one trainee."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "edms" / "var" / "edms.sqlite3"
        self.media = folder / "edms" / "var" / "media"
        self.repository = folder / "backups"
        self._kept = folder / ".course" / "kept.json"

    def kept(self) -> dict[str, Any]:
        """What the office remembers for the examination."""
        found: dict[str, Any] = json.loads(self._kept.read_text(encoding="utf-8"))
        return found

    def keep(self, **more: Any) -> None:
        """Remember something for the examination."""
        self._kept.parent.mkdir(exist_ok=True)
        known = self.kept() if self._kept.exists() else {}
        self._kept.write_text(json.dumps(known | more, indent=1), encoding="utf-8")

    def manage(self, *words: str) -> None:
        """Run a command of the EDMS itself."""
        subprocess.run([sys.executable, str(self.folder / "edms" / "manage.py"), *words], check=True)


def picture(office: Office) -> dict[str, str]:
    """A hash of the rows of each table, and one of each file."""
    found = {}
    with closing(sqlite3.connect(f"file:{office.database}?mode=ro", uri=True)) as database:
        tables = [
            name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        for table in tables:
            rows = sorted(map(repr, database.execute(f'SELECT * FROM "{table}"')))
            found[f"table {table}"] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    for path in sorted(office.media.rglob("*")):
        if path.is_file():
            found[f"file {path.relative_to(office.media)}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def differences(office: Office) -> list[str]:
    """The tables and files that are not as they have to be."""
    expected, found = office.kept()["picture"], picture(office)
    # The EDMS counts there which numbers it has given; a row that was deleted and came back does not count twice.
    ignored = {"table sqlite_sequence"}
    return sorted(name for name in (expected.keys() | found.keys()) - ignored if expected.get(name) != found.get(name))


def new(office: Office) -> None:
    """Make the EDMS."""
    if office.folder.exists() and any(office.folder.iterdir()):
        sys.exit(f"error: {office.folder} is not empty")
    shutil.copytree(REFERENCE, office.folder / "edms", ignore=shutil.ignore_patterns("var", "__pycache__"))
    office.database.parent.mkdir()
    office.manage("migrate", "--verbosity", "0")
    office.manage("populate", "--documents", str(DOCUMENTS), "--seed", "7")
    office.keep(picture=picture(office))


def day(office: Office) -> None:
    """A colleague writes a comment on a document, which no earlier backup has."""
    # Otherwise what is wrong now would count as right from here on.
    if wrong := differences(office):
        sys.exit(f"error: the system is not as it was at the beginning yet: {', '.join(wrong[:5])}")
    with closing(sqlite3.connect(office.database)) as database, database:
        (document, author) = database.execute(
            "SELECT id, author_id FROM documents_document ORDER BY id LIMIT 1"
        ).fetchone()
        database.execute(
            "INSERT INTO documents_documentcomment (uid, document_id, author_id, text, is_resolved, created_at)"
            " VALUES ('c0ffee00c0ffee00c0ffee00c0ffee00', ?, ?, 'Approved by telephone.', 0, '2026-11-30 16:00:00')",
            (document, author),
        )
    office.keep(picture=picture(office))


def quiet(office: Office) -> None:
    """Titles and a file are changed, and nobody is told which."""
    with closing(sqlite3.connect(office.database)) as database, database:
        numbers = sorted({number for (number,) in database.execute("SELECT number FROM documents_document")})
        chosen = [numbers[3], numbers[11], numbers[17]]
        database.executemany(
            "UPDATE documents_document SET title = title || '.' WHERE number = ?", [(one,) for one in chosen]
        )
    # Of those that have a byte to be changed.
    file = next(path for path in sorted(office.media.rglob("*")) if path.is_file() and path.stat().st_size > 100)
    text = bytearray(file.read_bytes())
    text[50] ^= 1
    file.write_bytes(text)
    office.keep(changed=chosen)


def deleted(office: Office) -> None:
    """One document is gone, with its comments, signatures and all else that cannot be without it."""
    with closing(sqlite3.connect(office.database)) as database, database:
        number = delete_document(database)
    sys.stdout.write(f"Somebody has deleted the document {number}.\n")
    office.keep(deleted=number)


def delete_document(database: sqlite3.Connection, number: str = "") -> str:
    """Delete a document and every row that refers to it, as the EDMS would; the number of the document.

    Without a number: the last one that has comments, and to which no other document refers.
    """
    single = "SELECT max(id), number FROM documents_document GROUP BY number HAVING count(*) = 1 ORDER BY number DESC"
    for key, found in database.execute(single).fetchall():
        rows = _with_all_that_refers(database, "documents_document", {key})
        alone = len(rows["documents_document"]) == 1
        if found == number or (not number and alone and rows.get("documents_documentcomment")):
            for table, keys in rows.items():
                column = _key_of(database, table)
                database.executemany(f'DELETE FROM "{table}" WHERE "{column}" = ?', [(one,) for one in keys])
            return str(found)
    raise LookupError(f"there is no such document: {number}")


def _with_all_that_refers(database: sqlite3.Connection, table: str, keys: set[Any]) -> dict[str, set[Any]]:
    """Table -> keys of the rows that refer to these, directly or through others; these included."""
    found: dict[str, set[Any]] = {table: set(keys)}
    ahead = [(table, one) for one in keys]
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    while ahead:
        there, key = ahead.pop()
        for other in tables:
            for reference in database.execute(f'PRAGMA foreign_key_list("{other}")').fetchall():
                if reference[2] != there:
                    continue
                which = f'SELECT "{_key_of(database, other)}" FROM "{other}" WHERE "{reference[3]}" = ?'
                for (row,) in database.execute(which, (key,)).fetchall():
                    if row not in found.setdefault(other, set()):
                        found[other].add(row)
                        ahead.append((other, row))
    return found


def _key_of(database: sqlite3.Connection, table: str) -> str:
    return next(str(column[1]) for column in database.execute(f'PRAGMA table_info("{table}")') if column[5])


def reinit(office: Office) -> None:
    """The EDMS begins again, empty and with other ids."""
    office.manage("reinit", "--noinput", "--offset-ids")


def disk(office: Office) -> None:
    """The disk of the repository flips one bit."""
    objects = [path for path in (office.repository / "objects").rglob("*") if path.is_file()]
    chosen = max(objects, key=lambda path: (path.stat().st_size, path.name))
    text = bytearray(chosen.read_bytes())
    office.keep(object=chosen.name, object_sha256=hashlib.sha256(text).hexdigest())
    text[len(text) // 2] ^= 1
    chosen.chmod(0o644)
    chosen.write_bytes(text)


ACCIDENTS: dict[str, Callable[[Office], None]] = {"quiet": quiet, "deleted": deleted, "reinit": reinit, "disk": disk}


def main(words: list[str]) -> None:
    """Do what the words say."""
    match words:
        case ["new", folder]:
            new(Office(Path(folder).expanduser().resolve()))
        case ["day", folder]:
            day(Office(Path(folder).expanduser().resolve()))
        case ["accident", name, folder] if name in ACCIDENTS:
            ACCIDENTS[name](Office(Path(folder).expanduser().resolve()))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
