"""Memory and room that run out: the step is named, and the advice is enough."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from edms_tasks.errors import MemoryExhausted, NoSpace
from edms_tasks.scratch.workspace import open_workspace
from flows.running.known_failures import known_failure, with_known_failures
from tests.inventory.small_project import small_project
from tests.running import run_backup

LARGE = {"BinaryField": "os.urandom(120_000_000)", "TextField": "'a/b.pdf ' * 15_000_000"}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param("BinaryField", marks=pytest.mark.long), "TextField"])
def test_a_value_that_is_larger_than_the_limit_names_its_table_and_a_limit_that_does(kind: str, tmp_path: Path) -> None:
    models = f"class Paper(models.Model):\n    scan = models.{kind}()\n"
    settings = small_project(tmp_path, models, f"import os; Paper.objects.create(scan={LARGE[kind]})")
    settings = settings.model_copy(update={"memory_limit_mb": 128, "jobs": 1})

    with pytest.raises(MemoryExhausted) as refused:
        run_backup(settings, create_repository=True)

    assert "small.Paper" in refused.value.what
    assert re.search(r"scan: \d+ MB in 1 row", refused.value.why)
    advised = int(re.findall(r"memory_limit_mb to (\d+)", refused.value.fix)[0])
    done = run_backup(settings.model_copy(update={"memory_limit_mb": advised}))
    assert done.as_json()["verified"]


def test_overflow_files_that_find_no_room_are_a_full_disk(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "workspace", memory_limit_mb=16, threads=1) as workspace:
        workspace.engine.execute("SET max_temp_directory_size = '1MB'")
        sort = "CREATE TABLE t AS SELECT hash(i) AS h, repeat('x', 100) AS x FROM range(400_000) r(i) ORDER BY h"

        with pytest.raises((MemoryExhausted, NoSpace)) as refused:
            with_known_failures(workspace.engine.execute, lambda *_: "sort")(sort)

    assert isinstance(refused.value, NoSpace) and "sort" in refused.value.what


def test_a_machine_without_memory_is_distinguished_from_a_limit() -> None:
    error = known_failure(MemoryError("malloc of size 512 failed"), "serialize small.Paper")

    assert isinstance(error, MemoryExhausted) and "machine" in error.what and "small.Paper" in error.what


def test_an_unknown_error_is_left_unchanged() -> None:
    with pytest.raises(duckdb.ParserException):
        with_known_failures(duckdb.execute, lambda *_: "parse")("SELEC 1")
