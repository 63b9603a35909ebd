"""Tables that no model owns: with a key, without one, and with a name that needs its quotes doubled."""

from __future__ import annotations

from zoo.keepers import execute

TABLES = ('Zoo "stray" 100%', "zoo_keyless")


def fill() -> None:
    execute(
        'CREATE TABLE "Zoo ""stray"" 100%" ("the ""id""" integer PRIMARY KEY, code varchar(9) NOT NULL UNIQUE)',
        """INSERT INTO "Zoo ""stray"" 100%" VALUES (1, 'a'), (7, '%s'), (-3, '')""",
        'CREATE TABLE zoo_keyless (line varchar(9), stray integer REFERENCES "Zoo ""stray"" 100%")',
        "INSERT INTO zoo_keyless VALUES ('twice', 7), ('twice', 7), (NULL, NULL), ('', 1)",
    )


def grow() -> None:
    execute("""INSERT INTO "Zoo ""stray"" 100%" VALUES (8, 'new')""", "INSERT INTO zoo_keyless VALUES ('twice', 7)")
