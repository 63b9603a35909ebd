"""Damage a staged restore in every way of a list: each is caught, named, and leaves the live system untouched."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.protocol import StagingDatabase
from tests.direct_access import execute
from tests.independent_comparison import differences, picture
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdmsFactory
from tests.running import Protected, protect

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

DOCUMENT = "documents.Document: proof"
AUDIT = "audit.AuditTrail: proof"


@dataclass(frozen=True)
class Damage:
    """SQL that damages the staged database, or a function that damages the staged files, and what must be said.

    Damages of one round are done to one staged system: each to other tables, so that none is what another is named for.
    """

    round: int
    name: str
    named: str
    sql: tuple[str, ...] = ()
    files: Callable[[Path], None] | None = None


_TWO = "SELECT id FROM documents_document ORDER BY id LIMIT 2"
_FIRST, _SECOND = (
    "(SELECT min(id) FROM documents_document)",
    "(SELECT id FROM documents_document ORDER BY id LIMIT 1 OFFSET 1)",
)

_ALIKE = {
    "sqlite": (
        "CREATE TABLE of_any_class (id integer PRIMARY KEY, v)",
        "INSERT INTO of_any_class (v) VALUES (10), (20)",
        "CREATE TABLE in_a_normal_form (id integer PRIMARY KEY, v text)",
        "INSERT INTO in_a_normal_form (v) VALUES ('caf\u00e9')",
    ),
    "postgresql": (
        "CREATE TABLE with_a_scale (id integer PRIMARY KEY, v numeric)",
        "INSERT INTO with_a_scale VALUES (1, 1.0)",
        "CREATE TABLE with_a_sign (id integer PRIMARY KEY, v double precision)",
        "INSERT INTO with_a_sign VALUES (1, 0.0)",
        "CREATE TABLE in_a_normal_form (id integer PRIMARY KEY, v text)",
        "INSERT INTO in_a_normal_form VALUES (1, 'caf\u00e9')",
    ),
}
"""Tables with values that many programs take for equal to what the damages below make of them."""

DAMAGES = (
    Damage(1, "another_class_sqlite", "of_any_class: proof", ("UPDATE of_any_class SET v = '10' WHERE v = 10",)),
    Damage(1, "another_scale_postgresql", "with_a_scale: proof", ("UPDATE with_a_scale SET v = 1.00",)),
    Damage(1, "a_negative_zero_postgresql", "with_a_sign: proof", ("UPDATE with_a_sign SET v = '-0.0'",)),
    Damage(1, "another_normal_form", "in_a_normal_form: proof", ("UPDATE in_a_normal_form SET v = 'cafe\u0301'",)),
    Damage(1, "one_character", DOCUMENT, (f"UPDATE documents_document SET title = title || 'x' WHERE id = {_FIRST}",)),
    Damage(
        2,
        "one_microsecond_postgresql",
        DOCUMENT,
        (f"UPDATE documents_document SET created_at = created_at + interval '1 microsecond' WHERE id = {_FIRST}",),
    ),
    Damage(
        2,
        "one_microsecond_sqlite",
        DOCUMENT,
        (
            "UPDATE documents_document SET created_at = substr(created_at, 1, 25) || ((substr(created_at, 26, 1) + 1) % 10) "
            "WHERE id = (SELECT min(id) FROM documents_document WHERE length(created_at) = 26)",
        ),
    ),
    Damage(
        3,
        "null_for_empty_text",
        DOCUMENT,
        (
            "UPDATE documents_document SET abstract = NULL WHERE id = "
            "(SELECT min(id) FROM documents_document WHERE abstract = '')",
        ),
    ),
    Damage(
        4,
        "swapped_references",
        DOCUMENT,
        (
            "UPDATE documents_document SET author_id = approver_id, approver_id = author_id WHERE id = "
            "(SELECT min(id) FROM documents_document WHERE author_id <> approver_id)",
        ),
    ),
    Damage(
        2,
        "repointed_generic_reference",
        AUDIT,
        ("UPDATE audit_audittrail SET object_id = '{other}' WHERE id = (SELECT min(id) FROM audit_audittrail)",),
    ),
    Damage(
        1,
        "deleted_row",
        "documents.DocumentComment: proof",
        ("DELETE FROM documents_documentcomment WHERE id = (SELECT max(id) FROM documents_documentcomment)",),
    ),
    Damage(1, "doubled_row", "audit.SystemEvent: proof", ("{double}",)),
    Damage(
        5,
        "values_exchanged",
        DOCUMENT,
        (
            f"UPDATE documents_document SET title = CASE WHEN id = {_FIRST} THEN '{{title2}}' ELSE '{{title1}}' END "
            f"WHERE id IN ({_TWO})",
        ),
    ),
    Damage(
        1,
        "changed_many_to_many_link",
        "documents.Document_reviewers: proof",
        (
            "UPDATE documents_document_reviewers SET user_id = (SELECT min(u.id) FROM users_user u WHERE NOT EXISTS "
            "(SELECT 1 FROM documents_document_reviewers r WHERE r.user_id = u.id AND r.document_id = "
            "(SELECT document_id FROM documents_document_reviewers WHERE id = (SELECT min(id) FROM documents_document_reviewers)))) "
            "WHERE id = (SELECT min(id) FROM documents_document_reviewers)",
        ),
    ),
    Damage(1, "flipped_byte_in_a_file", "media", files=lambda root: _flip(_some_file(root))),
    Damage(3, "missing_file", "media", files=lambda root: _some_file(root).unlink()),
    Damage(2, "unexpected_file", "media", files=lambda root: (root / "not in the snapshot").write_text("x") and None),
)


@dataclass(frozen=True)
class Refused:
    """What a restore said of a staged system that was damaged, and how many rows and files each damage changed."""

    failures: tuple[str, ...]
    changed: dict[str, int]


class Systems:
    """A backed-up installation per engine. A refused restore leaves it untouched, so all damages share it."""

    def __init__(self, templates: EdmsTemplates, folder: Path) -> None:
        self._templates, self._folder = templates, folder
        self._made: dict[Engine, Protected] = {}
        self._refused: dict[tuple[Engine, int], Refused] = {}

    def refused(self, engine: Engine, number: int) -> Refused:
        """The restore with the damages of a round, made once."""
        if (engine, number) not in self._refused:
            damages = [damage for damage in DAMAGES if damage.round == number and _possible(damage, engine)]
            self._refused[engine, number] = self.restore_damaged(engine, partial(_damage_all, damages))
        return self._refused[engine, number]

    def restore_damaged(self, engine: Engine, damage: Callable[[StagingDatabase, Path], dict[str, int]]) -> Refused:
        """Restore, with damage done before the validation: it must be refused and leave the live system as it is."""
        protected = self._protected(engine)
        live = picture(protected.edms)
        changed: dict[str, int] = {}

        result = protected.restore(
            before_validation=lambda staging, folders: changed.update(damage(staging, folders[0]))
        )

        assert not result.success and not result.promoted
        assert differences(live, picture(protected.edms)) == []
        return Refused(tuple(result.failures), changed)

    def _protected(self, engine: Engine) -> Protected:
        if engine not in self._made:
            folder = self._folder / engine
            factory = ReferenceEdmsFactory(
                self._templates, folder / "installations", f"fooled_{engine}_{secrets.token_hex(3)}"
            )
            self._made[engine] = protect(factory(engine), folder, extra="[validate]\ndjango_check = false")
            execute(self._made[engine].edms, *_ALIKE[engine])
            self._made[engine].backup()
        return self._made[engine]


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Systems:
    return Systems(_edms_templates, tmp_path_factory.mktemp("fooled"))


def _possible(damage: Damage, engine: Engine) -> bool:
    return not damage.name.endswith(("sqlite", "postgresql")) or damage.name.endswith(engine)


@pytest.mark.parametrize(
    ("damage", "engine"),
    [
        pytest.param(
            damage,
            engine,
            id=f"{damage.name}-{engine}",
            # Damage to rows is caught by what both engines share; `make test-long` does all on both.
            marks=[pytest.mark.long] if engine == "sqlite" and damage.round > 2 else [],
        )
        for damage in DAMAGES
        for engine in ("sqlite", "postgresql")
        if _possible(damage, engine)
    ],
)
def test_damage_to_the_staged_system_is_caught_and_named(damage: Damage, engine: Engine, systems: Systems) -> None:
    refused = systems.refused(engine, damage.round)

    assert refused.changed[damage.name] > 0, "the damage itself must have happened"
    assert any(damage.named.lower() in failure.lower() for failure in refused.failures), refused.failures


STRUCTURE = {
    ("sqlite", "a trigger"): ("DROP TRIGGER audit_audittrail_no_update", "audit_audittrail_no_update"),
    ("sqlite", "an index"): ("DROP INDEX document_status_idx", "document_status_idx"),
    ("sqlite", "a sequence"): (
        "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'users_user'",
        "users_user is at",
    ),
    ("postgresql", "a trigger"): (
        "DROP TRIGGER audit_audittrail_immutable ON audit_audittrail",
        "TRIGGER public audit_audittrail audit_audittrail_immutable",
    ),
    ("postgresql", "an index"): ("DROP INDEX document_status_idx", "INDEX public document_status_idx"),
    ("postgresql", "a constraint"): (
        "ALTER TABLE documents_document DROP CONSTRAINT document_unique",
        "CONSTRAINT public documents_document document_unique",
    ),
    ("postgresql", "a sequence"): (
        "SELECT setval(pg_get_serial_sequence('users_user', 'id'), 1)",
        "users_user_id_seq is at 1, not",
    ),
}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_missing_definitions_sequences_and_properties_fail_the_validation(engine: Engine, systems: Systems) -> None:
    lost = [of for of_engine, of in ((key[0], one) for key, one in STRUCTURE.items()) if of_engine == engine]

    def damage_it(staging: StagingDatabase, media: Path) -> dict[str, int]:
        for statement, _ in lost:
            if engine == "sqlite":
                with closing(sqlite3.connect(staging.address.name)) as connection, connection:
                    connection.execute(statement)
            else:
                with psycopg.connect(staging.address.url(), autocommit=True) as session:
                    session.execute(statement.encode())
        return {}

    failures = systems.restore_damaged(engine, damage_it).failures

    for _, named in lost:
        assert any(named in failure for failure in failures), (named, failures)


def _damage_all(damages: Sequence[Damage], staging: StagingDatabase, media: Path) -> dict[str, int]:
    changed = {}
    for damage in damages:
        if damage.files is not None:
            damage.files(media)
            changed[damage.name] = 1
        if damage.sql:
            changed[damage.name] = _damage_database(staging, damage.sql)
    return changed


def _damage_database(staging: StagingDatabase, statements: Sequence[str]) -> int:
    count = 0
    if staging.address.engine == "sqlite":
        with closing(sqlite3.connect(staging.address.name)) as connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f'DROP TRIGGER "{name}"')
            for statement in statements:
                for part in _filled_in(statement, lambda sql: connection.execute(sql).fetchall()):
                    count += max(connection.execute(part).rowcount, 0)
            for _, sql in triggers:  # the damage alone must be what is caught
                connection.execute(sql)
            connection.commit()
    else:
        with psycopg.connect(staging.address.url()) as live:
            live.execute("SET session_replication_role = replica")
            for statement in statements:
                for part in _filled_in(statement, lambda sql: live.execute(sql.encode()).fetchall()):
                    count += max(live.execute(part.encode()).rowcount, 0)
    return count


def _filled_in(statement: str, query: Callable[[str], list[tuple[object, ...]]]) -> list[str]:
    if statement == "{double}":
        # A doubled row needs the primary key out of the way: the table is made anew without it.
        names = [str(name) for (name,) in query(_COLUMNS_PG)] if _is_postgres(query) else []
        if names:
            return [
                "ALTER TABLE audit_systemevent DROP CONSTRAINT audit_systemevent_pkey CASCADE",
                "INSERT INTO audit_systemevent SELECT * FROM audit_systemevent ORDER BY id LIMIT 1",
            ]
        return [
            "CREATE TABLE doubled AS SELECT * FROM audit_systemevent",
            "INSERT INTO doubled SELECT * FROM doubled ORDER BY id LIMIT 1",
            "DROP TABLE audit_systemevent",
            "ALTER TABLE doubled RENAME TO audit_systemevent",
        ]
    titles = [
        str(title).replace("'", "''") for (title,) in query("SELECT title FROM documents_document ORDER BY id LIMIT 2")
    ]
    ((other,),) = query(
        "SELECT max(a.object_id) FROM audit_audittrail a JOIN audit_audittrail b ON a.content_type_id = b.content_type_id "
        "WHERE b.id = (SELECT min(id) FROM audit_audittrail) AND a.object_id <> b.object_id"
    )
    for name, value in {"title1": titles[0], "title2": titles[1], "other": str(other)}.items():
        statement = statement.replace("{" + name + "}", value)
    return [statement]


_COLUMNS_PG = "SELECT column_name FROM information_schema.columns WHERE table_name = 'audit_systemevent'"


def _is_postgres(query: Callable[[str], list[tuple[object, ...]]]) -> bool:
    try:
        return bool(query("SELECT version() LIKE 'PostgreSQL%'"))
    except sqlite3.OperationalError:
        return False


def _some_file(root: Path) -> Path:
    return next(path for path in sorted(root.rglob("*")) if path.is_file() and path.stat().st_size > 10)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
