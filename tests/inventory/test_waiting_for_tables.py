"""A table that a migration holds for itself keeps the probe waiting for a while, with a word, and not for ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import TableLocked
from edms_tasks.inventory import run_probe
from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project

MODELS = """
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    def natural_key(self):
        return (self.number,)
class Sheet(models.Model):
    paper = models.ForeignKey(Paper, models.CASCADE)
    page = models.IntegerField()
    def natural_key(self):
        return (self.paper.number, self.page)
"""


@pytest.fixture
def settings(postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(run_probe, "PATIENCE", 0)
    short = tmp_path / "probe.py"
    text = run_probe._PROBE.read_text(encoding="utf-8")
    assert "SECONDS_FOR_A_LOCK = 10\n" in text
    short.write_text(text.replace("SECONDS_FOR_A_LOCK = 10\n", "SECONDS_FOR_A_LOCK = 1\n"), encoding="utf-8")
    monkeypatch.setattr(run_probe, "_PROBE", short)
    given = psycopg.conninfo.conninfo_to_dict(postgres_database)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given["dbname"],
        "USER": given["user"],
        "PASSWORD": given["password"],
        "HOST": given["host"],
        "PORT": given["port"],
    }
    return small_project(
        tmp_path / "edms",
        MODELS,
        "Sheet.objects.create(paper=Paper.objects.create(number='A'), page=1)",
        settings=f"DATABASES = {{'default': {database!r}}}",
    )


@pytest.fixture
def other(postgres_database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(postgres_database, application_name="a migration") as connection:
        yield connection
        connection.rollback()


@pytest.mark.long
@pytest.mark.parametrize(
    ("table", "lookups"),
    [
        ("small_paper", True),
        ("django_migrations", False),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("small_paper", False),
                ("django_migrations", True),
                ("small_sheet", False),
                ("small_sheet", True),
            )
        ),
    ],
)
def test_the_probe_gives_up_and_names_the_table_and_the_session(
    table: str, lookups: bool, settings: Settings, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())

    with pytest.raises(TableLocked) as refused:
        run_probe.run_probe(settings, lookups=lookups)

    assert f"{table}, held by session {other.info.backend_pid} of" in refused.value.why
    assert "a migration" in refused.value.why


def test_the_probe_names_the_locked_table_and_continues_when_it_is_free(
    settings: Settings,
    other: psycopg.Connection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(run_probe, "PATIENCE", 60)
    other.execute("LOCK TABLE small_paper IN ACCESS EXCLUSIVE MODE")

    class FreesIt(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other.rollback()

    handler = FreesIt()
    run_probe._log.addHandler(handler)
    try:
        report = run_probe.run_probe(settings)
    finally:
        run_probe._log.removeHandler(handler)

    assert "small_paper, held by session" in caplog.text
    keys = {model.label: model.natural_key for model in report.models if model.app_label == "small"}
    assert all(key is not None and key.compared_rows == 1 and not key.problem for key in keys.values())
