"""Makes the repositories beside it, which is done once: pytest runs this only where it is named.

python -m pytest -n0 tests/format_2/make_repositories.py
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.independent_comparison import hashes
from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import encrypt, protect

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_make(engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    packed = FOLDER / f"{engine}.tar.xz"
    assert not packed.exists(), "it is never made anew"
    edms = edms_factory(engine, documents=6)
    protected = encrypt(protect(edms, tmp_path, top="chunk_rows = 40", extra="[validate]\ndjango_check = false"))
    made = []
    for tag in ("first", "second"):
        snapshot = protected.backup(tag).snapshot_id
        made.append({"snapshot": snapshot, "tag": tag, "picture": hashes(edms)})
        edms.manage("populate", "--documents", "2", "--seed", "9")

    with tarfile.open(packed, "w:xz") as tar:
        for name in ("repository", "write-key", "recovery-key"):
            tar.add(tmp_path / name, name)
    (FOLDER / f"{engine}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
