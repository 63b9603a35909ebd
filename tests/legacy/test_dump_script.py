"""A plain SQL dump is split as psql would split it, wherever what is read at a time ends."""

from __future__ import annotations

import io
import re

import pytest

from edms_tasks.databases.postgresql import dump_script
from edms_tasks.databases.postgresql.dump_script import DumpScript, PsqlCommand, Statement
from edms_tasks.databases.postgresql.dump_statements import judge, judge_command
from edms_tasks.databases.postgresql.dump_survey import survey_dump

STATEMENTS = [
    rb"CREATE TABLE t (a text DEFAULT 'x;''y'::text)",
    rb"CREATE TABLE t (b text DEFAULT E'it''s \'; x')",
    rb'CREATE TABLE public."we;ird ""name""" (a text)',
    b"CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $x$begin; '; \" $$ ; end $x$",
    b"CREATE FUNCTION a$b$c() RETURNS int LANGUAGE sql AS 'SELECT 1;'",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
    b"CREATE RULE r AS ON INSERT TO x DO (SELECT 1; SELECT 2)",
    b"CREATE VIEW v AS SELECT 1 /* ; /* nested ; */ ' */ AS a -- ; '\n, 2 AS b",
]


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_statements_end_where_they_do_for_psql(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_script, "_PIECE", piece)
    text = b"-- a comment; with ' in it\n/* and /* another; */ */\n" + b";\n\n".join(STATEMENTS) + b";\n"

    parts = [*DumpScript(io.BytesIO(text))]

    assert [part.text for part in parts] == STATEMENTS


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_rows_end_at_their_mark_and_nowhere_else(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_script, "_PIECE", piece)
    rows = b"1\t2;\n\\\\.\t'\n\\\\!\tx\n"
    script = DumpScript(
        io.BytesIO(b"COPY t (a, b) FROM stdin;\n" + rows + b"\\.\n\nCOPY e FROM stdin;\n\\.\nSELECT 1;\n")
    )

    found = [
        (part.text, b"".join(script.rows()) if isinstance(part, Statement) and part.takes_rows else None)
        for part in script
    ]

    assert found == [(b"COPY t (a, b) FROM stdin", rows), (b"COPY e FROM stdin", b""), (b"SELECT 1", None)]
    assert not script.rows_were_cut


def test_a_backslash_in_a_text_ends_nothing_unless_the_dump_says_so() -> None:
    text = b"INSERT INTO t VALUES ('\\');\nSET standard_conforming_strings = off;\nINSERT INTO t VALUES ('\\';');\n"

    assert [part.text for part in DumpScript(io.BytesIO(text))][::2] == [
        b"INSERT INTO t VALUES ('\\')",
        b"INSERT INTO t VALUES ('\\';')",
    ]


def test_a_dump_cut_inside_rows_gives_its_whole_rows() -> None:
    script = DumpScript(io.BytesIO(b"COPY t (a) FROM stdin;\n1\n2\n3"))

    given = [b"".join(script.rows()) for part in script if isinstance(part, Statement)]

    assert given == [b"1\n2\n"]
    assert script.rows_were_cut


REFUSED = [
    rb"\! rm -rf /",
    rb"\copy t from program 'id'",
    rb"\i /etc/passwd",
    rb"\o |sh",
    rb"SELECT 1 \gexec",
    b"COPY t FROM PROGRAM 'id';",
    b"COPY t FROM '/etc/passwd';",
    b"COPY t TO '/tmp/x';",
    b"COPY t FROM '/etc/passwd' WITH (NULL 'FROM STDIN');",
    b"COPY t FROM '/etc/passwd' -- FROM STDIN\n;",
    b"COPY t FROM PROGRAM 'id FROM STDIN';",
    b"COPY (SELECT 1) TO PROGRAM 'id';",
    b"DO $$BEGIN PERFORM 1; END$$;",
    b"ALTER SYSTEM SET shared_preload_libraries = 'x';",
    b"SELECT pg_terminate_backend(1);",
    b"SELECT pg_catalog.setval('s', (SELECT 1), true);",
    b"SELECT pg_catalog.set_config('search_path', '', false), pg_sleep(1);",
    b"LOAD 'x';",
    b"CALL p();",
    b"UPDATE t SET a = 1;",
    b"DELETE FROM t;",
    b"SET ROLE postgres;",
    b"SET shared_buffers = '1GB';",
    b"WITH x AS (DELETE FROM t RETURNING 1) SELECT 1;",
    b"TRUNCATE t;",
    b"EXECUTE p;",
    b"ROLLBACK;",
    b"VACUUM;",
    b"SET client_encoding = 'SJIS';",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_dump_needs_is_refused_before_anything_is_run(text: bytes) -> None:
    survey = survey_dump(io.BytesIO(b"CREATE TABLE t (a int);\n" + text + b"\n"))

    assert [line for line, _, _ in survey.refused] == [2]


LEFT_OUT = {
    b"DROP DATABASE live": "database",
    b"CREATE ROLE app LOGIN PASSWORD 'md5secret'": "role",
    b"GRANT admin TO app": "role",
    b"CREATE TABLESPACE fast LOCATION '/x'": "tablespace",
    b"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p": "object that only a superuser creates",
    b"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()": "object that only a superuser creates",
    b"CREATE FOREIGN TABLE t (a int) SERVER s": "object that only a superuser creates",
    b"SELECT pg_catalog.lo_create('123')": "large object",
    b"ALTER TABLE public.t OWNER TO edms": "owner",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE c AS '$libdir/x', 'f'": "routine in the language c",
    b"CREATE FUNCTION f() RETURNS int\n    AS $$ LANGUAGE sql $$\n    LANGUAGE plpython3u": "routine in the language plpython3u",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE 'plperlu' AS $$ x $$": "routine in the language plperlu",
}


@pytest.mark.parametrize("text", LEFT_OUT)
def test_what_belongs_to_the_whole_server_is_left_out_by_name(text: bytes) -> None:
    verdict = judge(Statement(text, 1))

    assert (verdict.fate, verdict.kind) == ("leave out", LEFT_OUT[text])
    assert "secret" not in verdict.name


RUN = [
    b"SET search_path = public, pg_catalog",
    b"SELECT pg_catalog.set_config('search_path', '', false)",
    b"SELECT pg_catalog.setval('public.it''s_id_seq', 12, true)",
    b"SELECT setval('a', -1, false)",
    b"CREATE UNLOGGED TABLE t (a int)",
    b"CREATE MATERIALIZED VIEW v AS SELECT 1",
    b"CREATE CONSTRAINT TRIGGER t AFTER INSERT ON x FOR EACH ROW EXECUTE FUNCTION f()",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ LANGUAGE c $$",
    b"ALTER TABLE ONLY public.t ADD CONSTRAINT p PRIMARY KEY (id)",
    b"ALTER TABLE public.t ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (\n    SEQUENCE NAME public.s\n)",
    b"GRANT SELECT ON TABLE public.t TO app",
    b"INSERT INTO public.t OVERRIDING SYSTEM VALUE VALUES (1)",
    b"INSERT INTO public.t (a, b) VALUES (1, 'COPY x FROM PROGRAM')",
    b'COPY public."a PROGRAM" (a) FROM stdin',
    b"CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public",
]


@pytest.mark.parametrize("text", RUN)
def test_what_pg_dump_writes_is_run(text: bytes) -> None:
    assert judge(Statement(text, 1)).fate == "run"


def test_only_commands_that_do_nothing_here_are_passed_over() -> None:
    assert judge_command(PsqlCommand(rb"\restrict a1B2", 1)).fate == "skip"
    assert judge_command(PsqlCommand(rb"\restrict a; \! id", 1)).fate == "refuse"


def test_the_databases_of_a_cluster_are_told_apart() -> None:
    text = rb"""-- PostgreSQL database cluster dump
CREATE ROLE edms;
\connect template1
SET statement_timeout = 0;
CREATE DATABASE edms;
\connect edms
CREATE TABLE public.a (id int);
COPY public.a (id) FROM stdin;
1
2
\.
\connect -reuse-previous=on "dbname='wi ki'"
CREATE TABLE public.b (id int);
-- PostgreSQL database cluster dump complete
"""

    survey = survey_dump(io.BytesIO(text))

    assert survey.names == ("edms", "wi ki")
    assert survey.databases["edms"].rows == {"public.a": 2}
    assert survey.is_complete


def test_old_dumps_name_tables_by_the_search_path() -> None:
    text = b'SET search_path = "Old App", pg_catalog;\nCREATE TABLE t (id int);\nCOPY t (id) FROM stdin;\n1\n\\.\n'

    assert survey_dump(io.BytesIO(text)).databases[""].rows == {"Old App.t": 1}


@pytest.mark.parametrize("version", ["9.6.24", "10.23", "11.22", "13.1", "18.0 (Debian 18.0-1)"])
def test_the_versions_stand_in_the_comments(version: str) -> None:
    said = f"-- Dumped from database version {version}\n-- Dumped by pg_dump version {version}\n"
    text = f"--\n-- PostgreSQL database dump\n--\n\n{said}\n\nSET statement_timeout = 0;\n"

    survey = survey_dump(io.BytesIO(text.encode()))

    assert survey.is_dump
    assert not survey.is_complete
    assert survey.versions == {"server": re.split(" ", version)[0], "pg_dump": re.split(" ", version)[0]}
