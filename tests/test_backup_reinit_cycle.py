"""The promise, whole: back up, re-initialise, restore; what comes back equals what went in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture
from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import protect

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_after_a_reinit_everything_comes_back_byte_equal(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory(engine)
    protected = protect(edms, tmp_path, top="chunk_rows = 40")  # of some tables, several chunks
    before = picture(edms)

    snapshot = protected.backup(tag="before-the-reinit")
    edms.manage("reinit")
    reinitialised = picture(edms)
    result = protected.restore()

    assert snapshot.verified and snapshot.problems == ()
    assert len(differences(before, reinitialised)) > 10, "the reinit must have destroyed what the restore brings back"
    assert (result.success, result.promoted, result.failures) == (True, True, ())
    assert differences(before, picture(edms)) == []
    told = json.loads(result.report_json.read_text(encoding="utf-8"))
    assert all(model["proof_found"] == model["proof"] for model in told["models"])
    assert {model["content_digest_found"] for model in told["models"]} == {None}  # nobody computed it
    assert told["references_checked"] > 30 and all(
        row["match"] for row in told["references"] if row["found"] is not None
    )


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_rollback_brings_back_what_was_live_before_the_restore(engine: Engine, backed_up: BackedUpSystems) -> None:
    protected = backed_up(engine).protected
    edms = protected.edms
    edms.manage("reinit")
    reinitialised = picture(edms)

    protected.restore()
    protected.rollback()

    assert differences(reinitialised, picture(edms)) == []


@pytest.mark.long  # restores into other databases are in test_across_engines and tests/bad_input
@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_restoring_into_another_name_leaves_the_live_system_alone(
    engine: Engine, backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up(engine).protected
    edms = protected.edms
    before = picture(edms)
    into = str(tmp_path / "copy.sqlite3") if engine == "sqlite" else f"{edms.database_name}_copy"

    result = protected.restore(into=into, into_files=tmp_path / "copy-files")

    url = f"sqlite:///{into}" if engine == "sqlite" else edms.database_url.replace(edms.database_name, into)
    copy = type(edms)(engine=engine, database_url=url, media=tmp_path / "copy-files" / "media")
    assert result.success and not result.promoted
    assert differences(before, picture(edms)) == []
    assert differences(before, picture(copy)) == []


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_the_second_backup_of_an_unchanged_system_stores_no_row_and_no_file_again(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = protect(edms_factory(engine), tmp_path)
    first = protected.backup()

    second = protected.backup()

    assert second.manifest.previous == first.snapshot_id
    # pg_dump writes the time into its archive, so the schema (and only it) is another object each time.
    schemas = {manifest.native_schema.object.sha256 for manifest in (first.manifest, second.manifest)}
    assert set(second.manifest.objects()) - schemas == set(first.manifest.objects()) - schemas
