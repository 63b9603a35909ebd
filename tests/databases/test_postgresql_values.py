"""Values come back as their types write and read them: a cast to text, which may say something else, is not asked."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_postgres

TABLES = {
    "text_without_its_length": """
        CREATE TABLE t (id integer PRIMARY KEY, a bpchar, b char(6), c bpchar[], d char(3)[]);
        INSERT INTO t VALUES (1, 'AB   ', 'ab', '{"a  ","  ",NULL}', '{a,"b "}'), (2, 'AB', ' a ', '{}', '{}'),
        (3, '   ', '', NULL, NULL), (4, NULL, NULL, NULL, NULL)
    """,
    "types_with_casts_of_their_own": """
        CREATE TYPE mood AS ENUM ('Sad', 'SAD', 'ok');
        CREATE FUNCTION said(mood) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(textin(enum_out($1)))';
        CREATE CAST (mood AS text) WITH FUNCTION said(mood) AS ASSIGNMENT;
        CREATE FUNCTION heard(text) RETURNS mood LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN 'ok'; END $$;
        CREATE CAST (text AS mood) WITH FUNCTION heard(text) AS ASSIGNMENT;
        CREATE TYPE pair AS (a integer, b bpchar);
        CREATE FUNCTION short(pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''a pair''::text';
        CREATE CAST (pair AS text) WITH FUNCTION short(pair) AS IMPLICIT;
        CREATE TYPE label; CREATE FUNCTION label_in(cstring) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textin';
        CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
        CREATE TYPE label (INPUT = label_in, OUTPUT = label_out, INTERNALLENGTH = VARIABLE, STORAGE = extended);
        CREATE FUNCTION shout(label) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(textin(label_out($1)))';
        CREATE CAST (label AS text) WITH FUNCTION shout(label);
        CREATE DOMAIN moody AS mood CHECK (VALUE <> 'ok'); CREATE DOMAIN blanks AS bpchar; CREATE DOMAIN six AS char(6);
        CREATE DOMAIN of_pairs AS pair CHECK ((VALUE).a IS DISTINCT FROM 7);
        CREATE TABLE t (id integer PRIMARY KEY, a mood, b moody, c mood[], d pair, e label, f blanks, g six, h pair[], i label[],
            j moody[], k of_pairs);
        INSERT INTO t VALUES
        (1, 'SAD', 'Sad', '{SAD,Sad,NULL}', '(1,"x  ")', 'Label', 'q  ', 'r', '{"(1,\\"y \\")",NULL}', '{Aa,bB}', '{SAD}', '(1,"k ")'),
        (2, NULL, NULL, '{}', '(,)', '', '', '', '{"(,)"}', NULL, NULL, '(,)'),
        (3, 'ok', 'SAD', NULL, NULL, NULL, NULL, NULL, NULL, '{}', '{}', NULL)
    """,
    "types_of_the_server_itself": """
        CREATE TYPE floats AS RANGE (SUBTYPE = float8); CREATE SEQUENCE "My seq";
        CREATE TABLE t (id integer PRIMARY KEY, a name, b "char", c cidr, d inet, e regclass, f regtype, g regproc, h oidvector,
            i int2vector, j floats, l tsquery, m xml, n point, o path, p pg_lsn, q txid_snapshot, r macaddr8,
            s bit(4), t jsonpath, u circle, v interval[], w timestamptz[], x boolean[], y bytea[], z date[], aa regrole);
        INSERT INTO t VALUES
        (1, 'a name', 'x', '10.0.0.0/8', '10.0.0.1/32', '"My seq"', 'integer[]', 'pg_catalog.now', '1 2', '3 4', '[0.1,1e300)',
         $$'a' & !'b':*$$, '<?xml version="1.0" encoding="UTF-8"?><a b="1"/>', '(0.1,2)', '[(0,0),(1,1.5)]',
         '16/B374D848', '10:20:10,14,15', '08:00:2b:01:02:03:04:05', B'1010', '$."a"[*] ? (@ > 1)', '<(1,2),0.3>',
         '{1 mon,-00:00:00.000001}', '{2020-01-01 00:00:00.000001+02,infinity}', '{t,f,NULL}', ARRAY['\\x00ff'::bytea],
         '{0044-03-15 BC}', 'pg_monitor'),
        (2, '', '', NULL, '::1', NULL, NULL, NULL, '', '', 'empty', '', 'a<b/>c', NULL, NULL, NULL, NULL, NULL, B'0000', NULL,
         NULL, '{}', '{}', '{}', '{}', '{}', NULL)
    """,
    "rows_of_parents_and_children": """
        CREATE TABLE parent (id integer PRIMARY KEY, name text UNIQUE); CREATE TABLE child (extra text) INHERITS (parent);
        CREATE TABLE grandchild (more bpchar) INHERITS (child);
        CREATE TABLE other (id integer PRIMARY KEY, parent integer REFERENCES parent);
        INSERT INTO parent VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (2, 'b', 'c'), (3, NULL, 'd');
        INSERT INTO grandchild VALUES (1, 'a', 'e', 'f  '), (5, 'a', NULL, NULL); INSERT INTO other VALUES (1, 1), (2, 2), (3, NULL)
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_pg_dump_finds_the_same_values_after_a_restore(name: str, postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(TABLES[name].encode())
    before = picture_of_postgres(postgres_database)

    copy = there_and_back(postgres_database, tmp_path)

    assert differences(before, picture_of_postgres(copy.url)) == []
    assert copy.before == copy.after


def test_xml_keeps_the_declaration_of_its_encoding(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            """CREATE TABLE t (id integer PRIMARY KEY, a xml); INSERT INTO t VALUES (1, '<?xml version="1.0" encoding="UTF-8"?><a/>')"""
        )

    copy = there_and_back(postgres_database, tmp_path)

    # pg_dump does not show it: the type's output function leaves it out.
    with psycopg.connect(copy.url) as connection:
        assert connection.execute("SELECT a::text FROM t").fetchall() == [
            ('<?xml version="1.0" encoding="UTF-8"?><a/>',)
        ]
