"""One repository with damage of every kind: exactly the intact rows and files are back, and the rest is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from flows.restoring.salvaging import SalvagedSnapshot, salvage
from flows.running.run import Run
from tests.direct_access import query
from tests.independent_comparison import differences, picture, picture_of_files
from tests.reference_system import Engine
from tests.salvage.damaged_system import NEW_FILE, Json, Salvaged, System, damaged, flip, rows, truncate

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]
DOCUMENTS, COMMENTS, TYPES = "documents.Document", "documents.DocumentComment", "documents.DocumentType"


class _Expected:
    """What must be lost, worked out from the manifest and the objects before they are damaged."""

    def __init__(self, system: System) -> None:
        documents, comments, types = (system.entry(model) for model in (DOCUMENTS, COMMENTS, TYPES))
        (odd,) = [chunk for chunk in documents["chunks"] if system.odd in system.ids_of_chunk(documents, chunk)]
        outdated = next(chunk for chunk in comments["chunks"] if chunk["superseded"])
        (new_pack,) = [ref for ref in system.manifest["files"][0]["packs"] if ref not in _packs_of_first(system)]
        self.damages: list[tuple[Path, Callable[[Path], object]]] = [
            (system.path(odd["object"]), flip),
            (system.path(outdated["superseded"]), Path.unlink),
            *((system.path(chunk["object"]), Path.unlink) for chunk in types["chunks"]),
            (system.path(new_pack), truncate),
        ]
        self.objects = [
            odd["object"],
            outdated["superseded"],
            *(chunk["object"] for chunk in types["chunks"]),
            new_pack,
        ]
        self.lost: dict[str, set[Any]] = {
            DOCUMENTS: system.ids_of_chunk(documents, odd),
            COMMENTS: system.ids_of_chunk(comments, outdated),
            TYPES: set().union(*(system.ids_of_chunk(types, chunk) for chunk in types["chunks"])),
        }
        self.first_row = {
            DOCUMENTS: _rows_before(documents, odd),
            COMMENTS: _rows_before(comments, outdated),
        }


def _packs_of_first(system: System) -> list[Json]:
    packs: list[Json] = system.plain.manifest(system.first)["files"][0]["packs"]
    return packs


def _rows_before(entry: Json, chunk: Json) -> int:
    before = entry["chunks"][: entry["chunks"].index(chunk)]
    return sum(one["rows"] - one["superseded_rows"] for one in before)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture(scope="module")
def system(engine: Engine, systems: Callable[[Engine], System]) -> System:
    return systems(engine)


@pytest.fixture(scope="module")
def expected(system: System) -> _Expected:
    return _Expected(system)


@pytest.fixture(scope="module")
def salvaged(system: System, expected: _Expected, tmp_path_factory: pytest.TempPathFactory) -> Salvaged:
    live = picture(system.edms)
    with damaged(*expected.damages):
        made = system.salvage(tmp_path_factory.mktemp("salvaged"))
    assert differences(live, picture(system.edms)) == [], "the live system must not be touched"
    return made


def test_a_salvage_is_no_success_and_is_called_salvaged(salvaged: Salvaged) -> None:
    result = salvaged.result

    assert (result.verdict, result.success, result.promoted) == ("salvaged", False, False), result.failures
    assert result.failures == ()
    assert salvaged.report["verdict"] == "salvaged"
    page = result.report_html.read_text(encoding="utf-8")
    assert "SALVAGED." in page and "PROVED" not in page and "not a complete restore" in page


def test_exactly_the_rows_of_intact_chunks_are_restored_unchanged(
    system: System, expected: _Expected, salvaged: Salvaged
) -> None:
    kept = 0
    for entry in system.manifest["tables"]:
        table = entry["table"]
        was, now = rows(system.edms, table), rows(salvaged.copy, table)
        lost = expected.lost.get(table["model"], set())
        assert now == {key: row for key, row in was.items() if key not in lost}, table["name"]
        kept += len(now)
    assert salvaged.result.rows == kept
    assert kept == system_rows(system) - sum(map(len, expected.lost.values()))


def test_exactly_the_files_of_intact_packs_are_restored_unchanged(system: System, salvaged: Salvaged) -> None:
    was, now = picture_of_files(system.edms.media), picture_of_files(salvaged.copy.media)

    assert now == {path: entry for path, entry in was.items() if path != NEW_FILE}
    assert NEW_FILE in was
    assert list(salvaged.list("lost-files.csv")["path"]) == [f'["{NEW_FILE}"]']


def test_lost_ranges_are_named_with_their_position_and_the_damaged_object(
    system: System, expected: _Expected, salvaged: Salvaged
) -> None:
    losses = salvaged.result.losses
    assert losses is not None

    assert {table.label: table.lost for table in losses.tables} == {m: len(ids) for m, ids in expected.lost.items()}
    assert {lost.sha256 for lost in losses.objects} == {ref["sha256"] for ref in expected.objects}
    chunks = {table.label: table.chunks for table in losses.tables}
    for model, first in expected.first_row.items():
        (chunk,) = chunks[model]
        assert (chunk.first_row, chunk.rows) == (first, len(expected.lost[model]))
    (outdated,) = chunks[COMMENTS]
    least, greatest = (int(word) for word in outdated.ids.split() if word.isdigit())
    assert least <= min(expected.lost[COMMENTS]) and max(expected.lost[COMMENTS]) <= greatest
    said = "\n".join(losses.sentences())
    for ref in expected.objects:
        assert ref["sha256"] in said


def test_tables_are_called_whole_partial_or_lost(expected: _Expected, salvaged: Salvaged) -> None:
    conditions = {model["model"]: model["condition"] for model in salvaged.report["losses"]["models"]}

    assert [conditions.pop(model) for model in (DOCUMENTS, COMMENTS, TYPES)] == ["partial", "partial", "lost"]
    assert set(conditions.values()) == {"whole"}


def test_every_row_that_points_at_a_lost_one_is_listed(system: System, expected: _Expected, salvaged: Salvaged) -> None:
    listed = salvaged.list("dangling.csv")
    found = Counter((row.model, row.reference) for row in listed.itertuples() if row.kind not in ("file", "generic"))
    generic = Counter((row.model, row.reference) for row in listed.itertuples() if row.kind == "generic")

    assert found == _pointing(system, expected)
    assert found[DOCUMENTS, "document_type_id"] and found["documents.DocumentVersion", "document_id"]
    assert generic["audit.AuditTrail", "content_object"] == _trails(system, expected)
    (named,) = [row for row in listed.itertuples() if row.kind == "file"]
    assert (named.model, named.value) == ("documents.DocumentVersion", f'["{NEW_FILE}"]')
    counts = Counter({(one.label, one.reference): one.rows for one in salvaged.result.losses.dangling})  # type: ignore[union-attr]
    assert counts == found + generic + Counter({("documents.DocumentVersion", "file"): 1})


def test_lost_rows_that_others_point_at_are_named_by_id_and_natural_key(
    system: System, expected: _Expected, salvaged: Salvaged
) -> None:
    codes = dict(query(system.edms, "SELECT id, code FROM documents_documenttype"))
    used = {kind for (kind,) in query(system.edms, "SELECT document_type_id FROM documents_document")}
    left = {kind for (kind, number) in query(system.edms, "SELECT document_type_id, id FROM documents_document")
            if number not in expected.lost[DOCUMENTS]}  # fmt: skip

    named = salvaged.list("lost-rows.csv")
    of_types = {(row.id, row.natural_key) for row in named.itertuples() if row.model == TYPES}

    assert left <= used
    assert {(f'["{kind}"]', f'["{codes[kind]}"]') for kind in left} <= of_types
    assert {int(str(number).strip('[]"')) for number, _ in of_types} <= expected.lost[TYPES]


def test_enforced_foreign_keys_are_restored_and_apply_to_new_rows(system: System, salvaged: Salvaged) -> None:
    if system.edms.engine == "sqlite":
        assert query(salvaged.copy, "PRAGMA integrity_check") == [("ok",)]
        return
    keys = "SELECT conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
    assert query(salvaged.copy, keys) == query(system.edms, keys)
    unvalidated = "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE NOT convalidated ORDER BY 1"
    assert ("documents_documentversion",) in query(salvaged.copy, unvalidated)
    assert ("users_userrole",) not in query(salvaged.copy, unvalidated)


@pytest.mark.long
def test_values_of_sensitive_columns_and_keys_that_may_hold_them_are_not_written(
    system: System, expected: _Expected, tmp_path: Path
) -> None:
    hidden = ("documents.Document.document_type", "DOCUMENTS_documentversion.ID")
    settings = system.protected.settings
    settings = settings.model_copy(update={"validate_": settings.validate_.model_copy(update={"sensitive": hidden})})
    repository = Repository.open(settings.repository)
    manifest = Manifest.from_json(repository.read_snapshot(system.snapshot), where="")

    with damaged(*expected.damages):
        left = salvage(Run(settings), repository, system.snapshot, manifest, tmp_path / "survey")

    assert isinstance(left, SalvagedSnapshot) and left.lists is not None and left.losses is not None
    listed = pd.read_csv(left.lists / "dangling.csv", dtype="str", keep_default_na=False)
    assert set(listed["natural_key"]) == {"not shown"} and set(listed["pointed_at"]) <= {"not shown", ""}
    assert set(listed[listed["reference"] == "document_type_id"]["value"]) == {"not shown"}
    assert set(listed[listed["model"] == "documents.DocumentVersion"]["primary_key"]) == {"not shown"}
    number = query(system.edms, f"SELECT number FROM documents_document WHERE id = {system.odd}")[0][0]
    for path in left.lists.iterdir():
        assert path.name == "lost-files.csv" or number not in path.read_text(encoding="utf-8")
    assert number not in str(left.losses.as_json()["dangling"])


def test_without_its_schema_nothing_is_salvaged_and_another_snapshot_with_the_same_tables_is_offered(
    system: System, tmp_path: Path
) -> None:
    """On SQLite both snapshots share the one schema object, so there is nothing to offer."""
    with (
        damaged((system.path(system.manifest["native_schema"]["object"]), flip)),
        pytest.raises(DamagedRepository, match="schema of the snapshot is lost") as refused,
    ):
        system.salvage(tmp_path)

    assert (system.first[:12] in refused.value.fix) == (system.edms.engine == "postgresql")
    assert "docs/format.md" in refused.value.fix


def system_rows(system: System) -> int:
    return sum(entry["state"]["rows"] for entry in system.manifest["tables"])


def _pointing(system: System, expected: _Expected) -> Counter[tuple[str, str]]:
    """(model, reference) -> rows that are back and point at a lost row, asked of the live database."""
    models = {entry["table"]["id"]: entry["table"]["model"] for entry in system.manifest["tables"]}
    counts: Counter[tuple[str, str]] = Counter()
    for entry in system.manifest["tables"]:
        table = entry["table"]
        for reference in table["references"]:
            lost = expected.lost.get(models.get(reference.get("target"), ""), set())
            if not lost:
                continue
            (column,) = reference["columns"]
            pairs = query(system.edms, f'SELECT "{table["primary_key"][0]}", "{column}" FROM "{table["name"]}"')
            gone = expected.lost.get(table["model"], set())
            number = sum(key not in gone and pointed in lost for key, pointed in pairs)
            if number:
                counts[table["model"], reference["name"]] = number
    return counts


def _trails(system: System, expected: _Expected) -> int:
    kinds = {
        (app, model): number
        for number, app, model in query(system.edms, "SELECT id, app_label, model FROM django_content_type")
    }
    lost = {
        (kinds[app.lower(), model.lower()], str(key))
        for label, keys in expected.lost.items()
        for app, model in [label.split(".")]
        for key in keys
    }
    pairs = query(system.edms, "SELECT content_type_id, object_id FROM audit_audittrail")
    return sum((kind, str(number)) in lost for kind, number in pairs)
