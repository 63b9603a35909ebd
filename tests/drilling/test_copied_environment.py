"""Variables that name something live name the copy's, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

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
        ('["/srv/edms/media"]', '["/drill/media"]'),
        ("[/srv/edms/media]", "[/drill/media]"),
        ("file:/srv/edms/db.sqlite3?mode=rw", "file:/drill/db.sqlite3?mode=rw"),
        ("sqlite:////srv/edms/db%2Esqlite3", "sqlite:////drill/db.sqlite3"),
        ("/srv/edms/../edms/media/a", "/drill/media/a"),
        ("/srv//edms/db.sqlite3", "/drill/db.sqlite3"),
        ("db.sqlite3", None),
        ("sqlite:///db.sqlite3", "sqlite:////drill/db.sqlite3"),
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
        ("postgres://u@h1,h2/edms", "postgres://u@h1,h2/edms_drill_1"),
        ("postgres://u@h/edms/", "postgres://u@h/edms_drill_1/"),
        ("postgres:///edms?host=/run/pg", "postgres:///edms_drill_1?host=/run/pg"),
        ("postgresql:///?dbname=edms&host=/run/pg", "postgresql:///?dbname=edms_drill_1&host=/run/pg"),
        ("postgres://u@h/%65dms", "postgres://u@h/edms_drill_1"),
        ("jdbc:postgresql://h/edms", "jdbc:postgresql://h/edms_drill_1"),
        ('{"default": "postgis://u@h/edms"}', '{"default": "postgis://u@h/edms_drill_1"}'),
        ("dbname='edms' user='edms'", "dbname='edms_drill_1' user='edms'"),
        ("user = edms dbname = edms", "user = edms dbname = edms_drill_1"),
        ("Host=h;Database=edms;Username=edms", "Host=h;Database=edms_drill_1;Username=edms"),
        ('{"NAME": "edms", "USER": "edms"}', '{"NAME": "edms_drill_1", "USER": "edms"}'),
        ("postgres://u@h/edms2", None),
        ("postgres://edms@edms/other", None),
        ("https://example.org/edms", None),
        ("amqp://edms@broker/edms", None),
        ('{"name": "edms"}', None),
        ("dbname=edms2", None),
        ("https://example.org/path/edms", None),
        ("an edms", None),
    ],
)
def test_names_on_a_server(value: str, wanted: str | None) -> None:
    assert for_the_copy({"ANY": value}, ("edms",), "edms_drill_1", ()) == ({} if wanted is None else {"ANY": wanted})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            '{"db": "postgres://u@h/edms", "media": "/srv/edms/media"}',
            '{"db": "postgres://u@h/edms_drill_1", "media": "/drill/media"}',
        ),
        ("host=/srv/edms/media dbname=edms", "host=/drill/media dbname=edms_drill_1"),
    ],
)
def test_a_value_that_names_a_folder_and_the_database(value: str, wanted: str) -> None:
    assert for_the_copy({"ANY": value}, ("edms",), "edms_drill_1", FOLDERS) == {"ANY": wanted}


def test_a_copy_inside_what_is_live_is_replaced_once() -> None:
    inside = (("/srv/edms", "/srv/edms/drills/1"), ("/srv/edms/media", "/srv/edms/drills/1/media"))
    assert for_the_copy({"ANY": "/srv/edms/media/a"}, (), "", inside) == {"ANY": "/srv/edms/drills/1/media/a"}


def test_a_symbolic_link_to_what_is_live_is_replaced(tmp_path: Path) -> None:
    live, link = tmp_path / "live", tmp_path / "link"
    live.mkdir()
    link.symlink_to(live)
    assert for_the_copy({"ANY": f"{link}/a"}, (), "", ((str(live), "/drill/media"),)) == {"ANY": "/drill/media/a"}


def test_a_user_and_a_host_of_the_same_name_stay() -> None:
    names = ("PGDATABASE", "DB_NAME", "POSTGRES_DB", "DATABASES__default__NAME", "DB_NAME_DEFAULT")
    others = ("PGUSER", "DB_PASSWORD", "DB_HOST", "PGAPPNAME", "DB_SCHEMA", "SITE")
    changed = for_the_copy(dict.fromkeys((*names, *others), "edms"), ("edms",), "copy", ())
    assert changed == dict.fromkeys(names, "copy")


def test_what_the_system_itself_needs_stays() -> None:
    around = {"PATH": "/srv/edms/media/bin", "HOME": "/srv/edms/media", "USER": "edms", "PYTHONPATH": "/srv/edms/media"}
    assert for_the_copy(around, ("edms",), "copy", FOLDERS) == {}
