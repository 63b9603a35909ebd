"""The demo, small: it shows what it says, keeps the reports and leaves nothing else behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from flows.demo import run_demo


@pytest.mark.slow
@pytest.mark.long  # `make test` begins with the demo on SQLite
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_demo_loses_everything_and_brings_it_back_proved(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = request.getfixturevalue("postgres_server") if engine == "postgresql" else None
    databases = server.databases() if server else None
    url = request.getfixturevalue("postgres_database") if server else None

    result = run_demo(postgres=url, documents=5)

    fates = {fate.model: fate for fate in result.models}
    assert result.proved
    assert (fates["documents.Document"].lost, fates["documents.Document"].restored) == (
        0,
        fates["documents.Document"].before,
    )
    assert all(result.changed_ids.values())
    assert result.restore.report_html.is_file()
    assert result.restore.data_docs.is_file()
    assert [path.name for path in result.folder.iterdir()] == ["work"]
    assert [path.name for path in (result.folder / "work").iterdir()] == ["reports"]
    if server and databases is not None:
        assert not [name for name in {*server.databases()} - {*databases} if name.startswith("edms_backup_demo")]
