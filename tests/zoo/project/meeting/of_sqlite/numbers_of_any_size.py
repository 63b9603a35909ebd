"""Infinite numbers and whole ones beyond 64 bits, in columns of which the other system has no number at all."""

from __future__ import annotations

from django.db import connection

COLUMNS = {"measure": "real", "price": "decimal", "amount": "numeric", "anything": ""}


def after() -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with connection.cursor() as c:
        c.execute(f"CREATE TABLE meeting_gauge (id integer PRIMARY KEY, name text NOT NULL UNIQUE, {columns})")


def fill(names: tuple[str, ...]) -> None:
    values = {"ann": "1e999", "bob": "-1e999", "cid": "12345678901234567890.5"} if names[0] == "ann" else {}
    with connection.cursor() as c:
        for number, name in enumerate(names, 1):
            value = values.get(name, "NULL")
            c.execute(f"INSERT INTO meeting_gauge VALUES ({number}, '{name}', {', '.join([value] * len(COLUMNS))})")


def say() -> dict[str, object]:
    with connection.cursor() as c:
        c.execute(
            "SELECT name, " + ", ".join(f"typeof({one}) || quote({one})" for one in COLUMNS) + " FROM meeting_gauge"
        )
        return {name: rest for name, *rest in c.fetchall()}
