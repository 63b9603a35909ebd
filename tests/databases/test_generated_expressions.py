"""The expressions of SQLite's generated columns are read from the statement that made the table."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from edms_tasks.databases.sqlite.generated_expressions import generated_expressions

_TABLE = '''
CREATE TABLE "odd, (name" (
    id integer PRIMARY KEY, -- the first, (of all
    kind varchar(3) CHECK (kind <> 'AS (x)'),
    [a, b] AS (kind || '-' || id) STORED UNIQUE,
    "say ""hi""" text GENERATED ALWAYS /* not (this) */ AS ( coalesce(nullif(kind, ')'), 1.5e-3) ) VIRTUAL,
    UNIQUE (kind, id)
)
'''


def test_expressions_are_found_among_comments_and_awkward_names() -> None:
    with closing(sqlite3.connect(":memory:")) as lite:
        lite.execute(_TABLE)

        found = generated_expressions(lite, "odd, (name", ["a, b", 'say "hi"'])

    assert found == {"a, b": "kind || '-' || id", 'say "hi"': "coalesce(nullif(kind, ')'), 1.5e-3)"}
