"""A snapshot as fixtures, judged by Django: its own dumpdata says the same, and its loaddata brings the same EDMS back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.manifest import Manifest
from flows.fixtures import FixtureResult, export_fixtures
from flows.requests import FixtureRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
DECIMALS, DURATIONS = {"cost"}, {"review_interval"}
Row = dict[str, Any]


def exported(protected: Protected, target: Path, **options: Any) -> FixtureResult:
    return export_fixtures.fn(Run(protected.settings), FixtureRequest(target=str(target), **options))


def rows_of(path: Path) -> dict[tuple[str, str], Row]:
    """The rows of lines of JSON by model and id; lists of links in one order, as Django asks for them without any."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    found = {(row["model"], json.dumps(row.get("pk"))): _with_links_in_order(row) for row in rows}
    assert len(found) == len(rows)
    return found


def _with_links_in_order(row: Row) -> Row:
    fields = {
        name: sorted(value, key=json.dumps) if isinstance(value, list) else value
        for name, value in row["fields"].items()
    }
    return {**row, "fields": {name: _number(value) if name in DECIMALS else value for name, value in fields.items()}}


def _number(text: str | None) -> str | None:
    # SQLite does not know how many zeros Django shows behind the point.
    # It has the number in full, of which Django shows 15 digits.
    return None if text is None else f"{float(text):.14e}"


def dumped(edms: ReferenceEdms, folder: Path, *options: str) -> dict[tuple[str, str], Row]:
    target = folder / "django.jsonl"
    edms.manage("dumpdata", "--all", "--format", "jsonl", *options, "--output", str(target))
    return rows_of(target)


def differences(ours: dict[tuple[str, str], Row], theirs: dict[tuple[str, str], Row]) -> list[str]:
    """Rows that one side lacks, and fields that differ."""
    found = [f"{key}: only in {'ours' if key in ours else 'theirs'}" for key in sorted(ours.keys() ^ theirs.keys())]
    for key in ours.keys() & theirs.keys():
        one, other = ours[key]["fields"], theirs[key]["fields"]
        found += [
            f"{key} {name}: {one.get(name, '-')!r} {other.get(name, '-')!r}"
            for name in one.keys() | other.keys()
            if one.get(name, "-") != other.get(name, "-")
        ]
    return found


def cut(rows: dict[tuple[str, str], Row]) -> dict[tuple[str, str], Row]:
    """The rows with times cut to milliseconds, as Django's JSON has them; durations it does not cut."""
    return {
        key: {
            **row,
            "fields": {name: value if name in DURATIONS else _cut(value) for name, value in row["fields"].items()},
        }
        for key, row in rows.items()
    }


def _cut(value: Any) -> Any:
    return re.sub(r"^((.*T)?\d\d:\d\d:\d\d\.\d{3})\d{3}(Z?)$", r"\1\3", value) if isinstance(value, str) else value


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fixture_says_what_djangos_dumpdata_says_and_keeps_the_microseconds(
    engine: Engine, backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up(engine).protected

    result = exported(protected, tmp_path / "all.jsonl", without_files=True)

    ours, theirs = rows_of(tmp_path / "all.jsonl"), dumped(protected.edms, tmp_path)
    assert differences(cut(ours), theirs) == []
    assert len(ours) == result.rows > 250


@pytest.mark.parametrize("engine", ENGINES)
def test_loaddata_brings_every_row_and_every_file_back_into_an_emptied_edms(
    engine: Engine, backed_up: BackedUpSystems, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    backed = backed_up(engine)
    result = exported(backed.protected, tmp_path / "fixtures")
    target = emptied(edms_factory(engine, populate=False))

    target.manage("loaddata", str(tmp_path / "fixtures" / "data.jsonl"))

    assert result.losses == ()
    assert shown(tmp_path / "fixtures" / "files" / "media") == shown(backed.protected.edms.media)
    assert differing_tables(backed.first.manifest, protect(target, tmp_path / "again").backup().manifest) == set()


def emptied(edms: ReferenceEdms) -> ReferenceEdms:
    """An EDMS whose migrations have run, without any row: flush makes content types and permissions again, which are in the way."""
    edms.manage("flush", "--noinput")
    types = "from django.contrib.contenttypes.models import ContentType; ContentType.objects.all().delete()"
    edms.manage("shell", "-c", types)
    return edms


def differing_tables(first: Manifest, second: Manifest) -> set[str]:
    """Tables whose rows are not bit for bit the same: by the proofs of two backups. Links have new ids, and are compared without."""
    proofs = [{entry.table.label: entry.state.proof for entry in manifest.tables} for manifest in (first, second)]
    links = {
        entry.table.label for entry in first.tables if any(one.kind == "many_to_many" for one in entry.table.references)
    }
    return {name for name in proofs[0] if proofs[0][name] != proofs[1][name]} - {"django_migrations"} - links


def shown(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
