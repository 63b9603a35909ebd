"""What happens to an EDMS between two steps of a guide, unseen by its reader.

python -m tests.pages.accidents DATABASE NUMBER      somebody deletes a document
"""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

OFFICE = Path(__file__).resolve().parent.parent.parent / "docs" / "course" / "office.py"


def delete_document(database: Path, number: str) -> str:
    """Delete a document with all that refers to it, as the accident of the course does."""
    spec = importlib.util.spec_from_file_location("office", OFFICE)
    assert spec is not None and spec.loader is not None
    office = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(office)
    with closing(sqlite3.connect(database)) as edms, edms:
        deleted: str = office.delete_document(edms, number)
        return deleted


if __name__ == "__main__":
    sys.stdout.write(f"{delete_document(Path(sys.argv[1]), sys.argv[2])}\n")
