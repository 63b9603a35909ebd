"""References of several columns, one of which is an id that no other reference names: to a key of two columns, and to a unique pair."""

from __future__ import annotations

from django.db import connection

TABLES = (
    "CREATE TABLE meeting_pair_volume (id {id}, name varchar(20) NOT NULL UNIQUE)",
    "CREATE TABLE meeting_pair_folio (volume_id integer NOT NULL REFERENCES meeting_pair_volume (id), number integer NOT NULL, "
    "PRIMARY KEY (volume_id, number))",
    "CREATE TABLE meeting_pair_plate (id {id}, volume_id integer NOT NULL REFERENCES meeting_pair_volume (id), number integer NOT NULL, "
    "UNIQUE (volume_id, number))",
    "CREATE TABLE meeting_pair_remark (id {id}, name varchar(20) NOT NULL UNIQUE, volume_id integer NOT NULL, number integer NOT NULL, "
    "FOREIGN KEY (volume_id, number) REFERENCES meeting_pair_folio (volume_id, number))",
    "CREATE TABLE meeting_pair_caption (id {id}, name varchar(20) NOT NULL UNIQUE, volume_id integer, number integer, "
    "FOREIGN KEY (volume_id, number) REFERENCES meeting_pair_plate (volume_id, number))",
)


def after() -> None:
    number = "integer PRIMARY KEY AUTOINCREMENT" if connection.vendor == "sqlite" else "serial PRIMARY KEY"
    with connection.cursor() as c:
        for table in TABLES:
            c.execute(table.format(id=number))


def fill(names: tuple[str, ...]) -> None:
    with connection.cursor() as c:
        for number, name in enumerate(names, 1):
            c.execute("INSERT INTO meeting_pair_volume (id, name) VALUES (%s, %s)", (number, name))
            c.execute("INSERT INTO meeting_pair_folio (volume_id, number) VALUES (%s, 1)", (number,))
            c.execute("INSERT INTO meeting_pair_plate (volume_id, number) VALUES (%s, 1)", (number,))
            for table in ("meeting_pair_remark", "meeting_pair_caption"):
                c.execute(f"INSERT INTO {table} (name, volume_id, number) VALUES (%s, %s, 1)", (name, number))
            # A reference with a part of it empty refers to no row.
            c.execute(
                "INSERT INTO meeting_pair_caption (name, volume_id, number) VALUES (%s, %s, NULL)",
                (f"half {name}", number),
            )
    if connection.vendor == "postgresql":
        with connection.cursor() as c:
            c.execute("SELECT setval('meeting_pair_volume_id_seq', %s)", (len(names),))


def say() -> dict[str, object]:
    said: dict[str, object] = {}
    with connection.cursor() as c:
        for table in ("meeting_pair_remark", "meeting_pair_caption"):
            c.execute(
                f"SELECT r.name, v.name, r.number FROM {table} r LEFT JOIN meeting_pair_volume v ON v.id = r.volume_id"
            )
            said |= {f"{table} {name}": rest for name, *rest in c.fetchall()}
    return said
