"""`--into` as a URL, and where its password goes: to the EDMS's process, and before nobody's eyes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import CommandError, SettingsError
from edms_tasks.inventory.run_probe import run_on_another_engine
from edms_tasks.settings import settings_from
from flows.requests import RestoreRequest
from flows.restoring.conversion_target import engine_address, require_no_password

# An EDMS that says what it was told of its database, what is among its arguments, and what its children would inherit.
EDMS = """
import os, sys
SECRET_KEY = "x"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "live", "OPTIONS": {"timeout": 30}}}
INSTALLED_APPS = ["teller"]
"""
TELL = """
import os, sys
from django.core.management.base import BaseCommand
from django.db import connection

class Command(BaseCommand):
    def handle(self, *args, **options):
        values = connection.settings_dict
        print(connection.vendor, values["NAME"], values["USER"], values["PASSWORD"], values["HOST"], values["PORT"], values["OPTIONS"])
        print("hidden" in " ".join(sys.argv), "hidden" in " ".join(os.environ.values()))
"""


def test_a_plain_name_is_no_url() -> None:
    assert engine_address(None) is engine_address("edms_copy") is engine_address("/srv/copy.sqlite3") is None


def test_a_url_names_the_database_and_pgpassword_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hidden")
    address = engine_address("postgresql://edms@db.example:5433/edms?sslmode=require")
    assert address is not None
    assert (address.engine, address.name, address.user, address.host) == ("postgresql", "edms", "edms", "db.example")
    assert address.password.get_secret_value() == "hidden" and "hidden" not in f"{address} {address.display}"
    given = engine_address("postgresql://edms:own@db.example/edms")
    assert given is not None and given.password.get_secret_value() == "own"
    file = engine_address("sqlite:////srv/edms/db.sqlite3")
    assert file is not None and file.name == "/srv/edms/db.sqlite3"


def test_an_invalid_url_is_refused() -> None:
    with pytest.raises(SettingsError):
        engine_address("mysql://edms@localhost/edms")
    with pytest.raises(CommandError, match="names no database"):
        engine_address("postgresql://edms@localhost")


def test_prefect_gets_no_password_to_record() -> None:
    require_no_password(RestoreRequest(into="postgresql://edms@localhost/edms"))
    require_no_password(RestoreRequest(into="edms_copy"))
    with pytest.raises(CommandError) as refused:
        require_no_password(RestoreRequest(into="postgresql://edms:hidden@localhost/edms"))
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_only_the_edms_gets_the_address_of_the_database(elsewhere: bool, tmp_path: Path) -> None:
    commands = tmp_path / "teller" / "management" / "commands"
    commands.mkdir(parents=True)
    for folder in (commands, commands.parent, commands.parent.parent):
        (folder / "__init__.py").touch()
    (commands / "tell.py").write_text(TELL, encoding="utf-8")
    (tmp_path / "told_settings.py").write_text(EDMS, encoding="utf-8")
    how = {"command": [sys.executable]} if elsewhere else {"python": sys.executable}
    settings = settings_from(
        {
            "edms": {"project": str(tmp_path), "settings": "told_settings", **how},
            "repository": {"url": str(tmp_path / "repository")},
        },
        where=tmp_path / "edms-backup.toml",
    )
    address = DatabaseAddress.from_url("postgresql://edms:hidden@db.example:5433/moved?sslmode=require")

    answer = run_on_another_engine(settings, [["tell"], ["tell"]], address)

    assert answer.returncode == 0, answer.stderr
    told = "postgresql moved edms hidden db.example 5433 {'sslmode': 'require'}"
    assert answer.stdout.splitlines() == [told, "False False"] * 2
