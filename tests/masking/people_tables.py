"""Tables that no model owns and that hold personal data in every form: with keys and without, computed, indexed for search, as JSON."""

# ruff: noqa: E501 (rows of SQL)

from __future__ import annotations

from tests.direct_access import execute
from tests.reference_system import ReferenceEdms

NAMES = ("Grete Oesterwind", "Ludmilla Quarkbrodt", "Ömer Yıldızoğlu")
MAILS = ("grete@oesterwind.example", "lu.quark@brodt.example", "oemer@yildiz.example")

_COMMON = (
    "CREATE TABLE contact (id integer PRIMARY KEY, name varchar(80) NOT NULL, mail varchar(60) NOT NULL UNIQUE,"
    " phone text CHECK (phone = '' OR phone LIKE '+%'),"
    " born {date}, seen {datetime}, card varchar(36), note text, doc {json}, {computed})",
    "CREATE TABLE mail_log (id integer PRIMARY KEY, mail varchar(60) NOT NULL REFERENCES contact (mail), copied text, amount integer)",
    "CREATE TABLE loose_people (name text, born {date}, salary bigint)",
    'CREATE TABLE "odd ""table" ("na""me" varchar(40), photo {blob}, filename text, code character(10), tags text)',
    """INSERT INTO "odd ""table" VALUES ('Grete Oesterwind', {bytes}, 'a', 'ab', '5'), ('', NULL, 'b', NULL, NULL)""",
    "INSERT INTO contact (id, name, mail, phone, born, seen, card, note, doc) VALUES"
    " (1, 'Grete Oesterwind', 'grete@oesterwind.example', '+49 170 5551234', '1970-03-04', '2024-05-06 07:08:09',"
    '  \'6b1f0c9e-11aa-4c3e-9a34-0f5d2c7b8e90\', \'Calls on Mondays, at 10\', \'{{"owner": {{"mail": "grete@oesterwind.example"}}, "n": 1}}\'),'
    " (2, 'Ludmilla Quarkbrodt', 'lu.quark@brodt.example', NULL, NULL, NULL, NULL, '', NULL),"
    " (3, 'Ömer Yıldızoğlu', 'oemer@yildiz.example', '', '1999-12-31', '2024-01-01 00:00:00', NULL, 'x', '{{\"owner\": null, \"tags\": [\"a\"]}}')",
    "INSERT INTO mail_log VALUES (1, 'grete@oesterwind.example', 'free', 5), (2, 'oemer@yildiz.example', 'text', 6)",
    "INSERT INTO loose_people VALUES ('Grete Oesterwind', '1970-03-04', 51000), ('Nobody Known', NULL, NULL), (NULL, NULL, 7)",
)
_FORMS = {
    "sqlite": {
        "blob": "blob",
        "bytes": "x'00ff'",
        "date": "date",
        "datetime": "datetime",
        "json": "text",
        "computed": "folded text GENERATED ALWAYS AS (lower(name)) STORED",
    },
    "postgresql": {
        "blob": "bytea",
        "bytes": r"'\x00ff'",
        "date": "date",
        "datetime": "timestamptz",
        "json": "jsonb",
        "computed": "folded tsvector GENERATED ALWAYS AS (to_tsvector('simple', name)) STORED",
    },
}
RULES_OF_THE_EDMS = """
empty = ["audit.SystemEvent"]

[columns]
"users.User.username" = "hash"
"users.User.first_name" = "name"
"users.User.last_name" = "name"
"users.User.email" = "email"
"users.User.employee_id" = "hash"
"audit.AuditTrail.username" = "hash"
"audit.AuditTrail.object_label" = "text"
"audit.AuditTrail.changes" = "keep"
"documents.Document.title" = "keep"
"""
RULES = (
    RULES_OF_THE_EDMS
    + """"contact.name" = "name"
"contact.mail" = "email"
"contact.phone" = "phone"
"contact.born" = { kind = "shift", days = 400, by = "name" }
"contact.seen" = "shift"
"contact.card" = "hash"
"contact.note" = "text"
"contact.doc" = { paths = { "owner.mail" = "email" } }
"loose_people.name" = "name"
"loose_people.born" = { kind = "shift", days = 400, by = "name" }
"loose_people.salary" = "number"
'odd "table.na"me' = "name"
'odd "table.photo' = "null"
'odd "table.code' = "hash"

[files]
media = "placeholder"

[search]
not_personal = ["admin"]
may_hold = ["users.Role.name", "users.Role.description"]
"""
)


def add_people(edms: ReferenceEdms) -> None:
    """Create the tables in an installation's database."""
    execute(edms, *(statement.format(**_FORMS[edms.engine]) for statement in _COMMON))
    if edms.engine == "sqlite":
        execute(
            edms,
            "CREATE VIRTUAL TABLE people_search USING fts5(name)",
            "INSERT INTO people_search SELECT name FROM contact",
        )
