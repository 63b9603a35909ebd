"""A database that goes away while the EDMS is asked: that is what is reported, and no fault of the EDMS's settings or keys."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import DatabaseRefused
from edms_tasks.inventory import run_probe
from tests.inventory.small_project import small_project
from tests.running import run_backup

MODELS = """
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    def natural_key(self):
        from django.conf import settings
        from django.db import connection
        if settings.BASE.joinpath('gone').exists():
            connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return (self.number,)
"""


@pytest.mark.long
def test_a_lost_database_is_reported_as_such(postgres_database: str, tmp_path: Path) -> None:
    given = psycopg.conninfo.conninfo_to_dict(postgres_database)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    database = {"ENGINE": "django.db.backends.postgresql"} | {ours: given[theirs] for ours, theirs in names.items()}
    settings = small_project(
        tmp_path, MODELS, "Paper.objects.create(number='A')", settings=f"DATABASES = {{'default': {database!r}}}"
    )
    whole = run_probe.run_probe(settings)
    (tmp_path / "gone").touch()

    report = run_probe.run_probe(settings)

    assert whole.database_error is None
    (key,) = (model.natural_key for model in whole.models if model.label == "small.Paper")
    assert key is not None and key.problem is None
    assert report.database_error is not None
    with pytest.raises(DatabaseRefused) as refused:
        run_backup(settings, create_repository=True)
    assert refused.value.transient and refused.value.exit_code == 3
