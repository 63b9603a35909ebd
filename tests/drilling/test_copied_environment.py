"""Variables that name something live name the copy's, and nothing else changes."""

from __future__ import annotations

import pytest

from edms_tasks.inventory.copied_environment import for_the_copy

FOLDERS = (("/srv/edms/media", "/drill/media"), ("/srv/edms/media/inner", "/drill/inner"))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("sqlite:////srv/edms/db.sqlite3", "sqlite:////drill/db.sqlite3"),
        ("/srv/edms/db.sqlite3", "/drill/db.sqlite3"),
        ("/srv/edms/db.sqlite3-old", None),
        ("/srv/edms/media", "/drill/media"),
        ("/srv/edms/media/", "/drill/media/"),
        ("/srv/edms/media/inner/x", "/drill/inner/x"),
        ("/srv/edms/media2", None),
        ("/other/srv/edms/media", None),
        ('{"location": "/srv/edms/media"}', '{"location": "/drill/media"}'),
        ("/srv/edms", None),
        ("", None),
    ],
)
def test_paths(value: str, wanted: str | None) -> None:
    changed = for_the_copy({"ANY": value}, ("/srv/edms/db.sqlite3", "db.sqlite3"), "/drill/db.sqlite3", FOLDERS)
    assert changed == ({} if wanted is None else {"ANY": wanted})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("postgres://edms:edms@edms:5432/edms", "postgres://edms:edms@edms:5432/edms_drill_1"),
        ("postgres://u@h/edms?sslmode=require", "postgres://u@h/edms_drill_1?sslmode=require"),
        ("host=edms dbname=edms user=edms", "host=edms dbname=edms_drill_1 user=edms"),
        ("postgres://u@h/edms2", None),
        ("https://example.org/path/edms", None),
        ("an edms", None),
    ],
)
def test_names_on_a_server(value: str, wanted: str | None) -> None:
    assert for_the_copy({"ANY": value}, ("edms",), "edms_drill_1", ()) == ({} if wanted is None else {"ANY": wanted})


def test_a_user_and_a_host_of_the_same_name_stay() -> None:
    around = dict.fromkeys(("PGDATABASE", "DB_NAME", "POSTGRES_DB", "PGUSER", "DB_PASSWORD", "DB_HOST"), "edms")
    changed = for_the_copy(around, ("edms",), "copy", ())
    assert changed == dict.fromkeys(("PGDATABASE", "DB_NAME", "POSTGRES_DB"), "copy")


def test_what_the_system_itself_needs_stays() -> None:
    around = {"PATH": "/srv/edms/media/bin", "HOME": "/srv/edms/media", "USER": "edms", "PYTHONPATH": "/srv/edms/media"}
    assert for_the_copy(around, ("edms",), "copy", FOLDERS) == {}
