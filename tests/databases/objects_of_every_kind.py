"""Objects of every kind that pg_dump knows, each with the parts of it that are easily lost."""

# ruff: noqa: E501
from __future__ import annotations

BY_ANYBODY = {
    "granted by another owner": """
        CREATE TABLE o1 (id int, b text); GRANT SELECT, UPDATE (b) ON o1 TO kind_reader; REVOKE DELETE ON o1 FROM CURRENT_USER;
        GRANT INSERT ON o1 TO kind_boss; CREATE FUNCTION o2() RETURNS int LANGUAGE sql AS $$SELECT 1$$;
        REVOKE ALL ON FUNCTION o2() FROM PUBLIC; GRANT EXECUTE ON FUNCTION o2() TO kind_reader; CREATE SCHEMA o3;
        GRANT USAGE ON SCHEMA o3 TO kind_reader; CREATE SEQUENCE o4; GRANT USAGE ON SEQUENCE o4 TO kind_reader, kind_boss;
        CREATE TYPE o5 AS ENUM (); GRANT USAGE ON TYPE o5 TO kind_reader; CREATE VIEW o6 AS SELECT 1 a;
        GRANT SELECT ON o6 TO kind_reader; CREATE TABLE o7 (id int GENERATED ALWAYS AS IDENTITY);
        GRANT SELECT ON SEQUENCE o7_id_seq TO kind_reader; CREATE TABLE o8 (id serial);
        GRANT USAGE ON SEQUENCE o8_id_seq TO kind_reader;
    """,
    "casts": """
        CREATE TYPE mood AS ENUM ('a','b'); CREATE FUNCTION to_i(mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE CAST (mood AS integer) WITH FUNCTION to_i(mood) AS IMPLICIT; CREATE CAST (integer AS mood) WITH INOUT;
        COMMENT ON CAST (mood AS integer) IS 'c';
    """,
    "publications": """
        CREATE TABLE pt (id int primary key, a text, b text); CREATE SCHEMA ps; CREATE TABLE ps.x(id int);
        CREATE PUBLICATION p1 FOR TABLE pt WHERE (id > 5), TABLES IN SCHEMA ps WITH (publish='insert', publish_via_partition_root=true);
        CREATE PUBLICATION p2 FOR ALL TABLES; COMMENT ON PUBLICATION p1 IS 'p'; ALTER PUBLICATION p2 OWNER TO kind_boss;
        CREATE TABLE pt2 (id int primary key, a text, b text); CREATE PUBLICATION p3 FOR TABLE pt2 (id, a);
    """,
    "event triggers": """
        CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER e1 ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION ev();
        ALTER EVENT TRIGGER e1 ENABLE ALWAYS; CREATE EVENT TRIGGER e2 ON sql_drop EXECUTE FUNCTION ev(); ALTER EVENT TRIGGER e2 DISABLE;
        CREATE EVENT TRIGGER e3 ON table_rewrite EXECUTE FUNCTION ev(); COMMENT ON EVENT TRIGGER e1 IS 'e';
        ALTER EVENT TRIGGER e3 OWNER TO kind_boss; ALTER EVENT TRIGGER e3 ENABLE REPLICA;
    """,
    "statistics": """
        CREATE TABLE st (a int, b text, c int); CREATE STATISTICS s1 (mcv) ON a, b FROM st; ALTER STATISTICS s1 SET STATISTICS 55;
        CREATE STATISTICS s2 ON (lower(b)) FROM st; COMMENT ON STATISTICS s1 IS 's'; ALTER STATISTICS s2 OWNER TO kind_reader;
        CREATE INDEX se ON st ((a+c)); ALTER INDEX se ALTER COLUMN 1 SET STATISTICS 77; INSERT INTO st VALUES (1,'b',2);
    """,
    "rules": """
        CREATE TABLE rt (a int, b int); CREATE TABLE rt2 (a int);
        CREATE RULE r1 AS ON INSERT TO rt DO ALSO INSERT INTO rt2 VALUES (NEW.a);
        CREATE RULE r2 AS ON UPDATE TO rt WHERE NEW.a > 3 DO INSTEAD (DELETE FROM rt2; INSERT INTO rt2 VALUES (1));
        ALTER TABLE rt ENABLE ALWAYS RULE r1; ALTER TABLE rt ENABLE REPLICA RULE r2; COMMENT ON RULE r1 ON rt IS 'r';
        CREATE VIEW rv AS SELECT * FROM rt; CREATE RULE r3 AS ON INSERT TO rv DO INSTEAD INSERT INTO rt VALUES (NEW.a);
        ALTER VIEW rv ALTER a SET DEFAULT 7; CREATE VIEW empty_v AS SELECT;
        CREATE RECURSIVE VIEW rec(n) AS SELECT 1 UNION ALL SELECT n+1 FROM rec WHERE n<3;
        CREATE VIEW chk AS SELECT a FROM rt WHERE a>1 WITH CASCADED CHECK OPTION;
        CREATE VIEW inv WITH (security_invoker=true) AS SELECT a FROM rt;
    """,
    "tables": """
        CREATE TABLE ta (id int GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 3 CYCLE), a text COMPRESSION pglz, b int, UNIQUE NULLS NOT DISTINCT (b), EXCLUDE USING btree (b WITH =) WHERE (b > 3) DEFERRABLE) WITH (fillfactor=50, toast.autovacuum_enabled=false);
        INSERT INTO ta (a, b) VALUES ('x',1); CREATE TABLE tb (LIKE ta INCLUDING ALL EXCLUDING IDENTITY);
        CREATE UNIQUE INDEX ri ON tb (id) INCLUDE (a) WITH (deduplicate_items=off); ALTER TABLE tb ALTER id SET NOT NULL;
        ALTER TABLE tb REPLICA IDENTITY USING INDEX ri; CREATE TABLE pp1 (a int, b int) PARTITION BY RANGE (a, b);
        CREATE TABLE pp2 PARTITION OF pp1 FOR VALUES FROM (MINVALUE, MINVALUE) TO (5, MAXVALUE) PARTITION BY HASH (b);
        CREATE TABLE pp3 PARTITION OF pp2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE pp4 PARTITION OF pp2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO pp1 SELECT i, i FROM generate_series(1,4) i; ALTER TABLE pp1 ADD CONSTRAINT pk PRIMARY KEY (a,b);
        CREATE TABLE par0 (a int NOT NULL); CREATE TABLE chi0 (b int, a int NOT NULL) INHERITS (par0);
        ALTER TABLE chi0 ALTER a SET DEFAULT 4; ALTER TABLE ta ALTER a SET (n_distinct=-0.5); CREATE TABLE dropme (a int, b int, c int);
        ALTER TABLE dropme DROP b; INSERT INTO dropme VALUES (1,2);
    """,
    "sequences": """
        CREATE UNLOGGED SEQUENCE su; CREATE SEQUENCE sd AS smallint INCREMENT -2 MINVALUE -100 MAXVALUE 5 START 4 CYCLE CACHE 9;
        SELECT nextval('sd'), nextval('sd'); GRANT USAGE ON SEQUENCE sd TO kind_reader; ALTER SEQUENCE sd OWNER TO kind_reader;
        CREATE UNLOGGED TABLE ut (a serial); SELECT nextval('ut_a_seq');
    """,
    "privileges": """
        CREATE TABLE pr (a int, b int); GRANT SELECT (a), INSERT (b) ON pr TO kind_reader WITH GRANT OPTION;
        REVOKE ALL ON pr FROM CURRENT_USER; GRANT ALL ON SCHEMA public TO kind_boss; REVOKE ALL ON SCHEMA public FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO kind_reader; GRANT SELECT ON pg_catalog.pg_authid TO kind_reader;
        GRANT CREATE ON DATABASE {db} TO kind_reader; CREATE FUNCTION prf() RETURNS int LANGUAGE sql AS 'SELECT 1';
        REVOKE ALL ON FUNCTION prf() FROM PUBLIC; SET ROLE kind_boss; CREATE TABLE pr2 (a int); GRANT SELECT ON pr2 TO kind_reader;
        RESET ROLE;
    """,
    "default privileges": """
        ALTER DEFAULT PRIVILEGES FOR ROLE kind_reader GRANT SELECT ON TABLES TO kind_boss;
        ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; CREATE SCHEMA dp;
        ALTER DEFAULT PRIVILEGES IN SCHEMA dp GRANT USAGE ON SEQUENCES TO kind_reader WITH GRANT OPTION;
        ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO kind_reader;
        CREATE FUNCTION after_dp() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE dty AS ENUM ('x'); CREATE TABLE dta (a serial);
    """,
}
"""What an ordinary role is given back, or told that it is not: the server refuses nothing of it that the rest could not do without."""

BY_A_SUPERUSER = {
    "languages": """
        CREATE FUNCTION plh() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
        CREATE TRUSTED LANGUAGE plx HANDLER plh; GRANT USAGE ON LANGUAGE plx TO kind_reader; COMMENT ON LANGUAGE plx IS 'l';
        CREATE FUNCTION xf() RETURNS int LANGUAGE plx AS 'BEGIN RETURN 1; END'; REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
    """,
    "fdw": """
        CREATE FOREIGN DATA WRAPPER w OPTIONS (a 'b'); CREATE SERVER s TYPE 't' VERSION '1' FOREIGN DATA WRAPPER w OPTIONS (host 'x');
        CREATE USER MAPPING FOR kind_reader SERVER s OPTIONS (password 'p'); CREATE USER MAPPING FOR PUBLIC SERVER s;
        GRANT USAGE ON FOREIGN SERVER s TO kind_reader; GRANT USAGE ON FOREIGN DATA WRAPPER w TO kind_reader WITH GRANT OPTION;
        CREATE FOREIGN TABLE ft (a int OPTIONS (x 'y') NOT NULL DEFAULT 3, b text, CHECK (a > 0)) SERVER s OPTIONS (t 'u');
        COMMENT ON SERVER s IS 's'; COMMENT ON FOREIGN TABLE ft IS 'f'; COMMENT ON COLUMN ft.a IS 'a';
        GRANT SELECT ON ft TO kind_reader; ALTER FOREIGN TABLE ft ALTER a OPTIONS (ADD z 'z');
        CREATE TABLE par (a int, b text) PARTITION BY LIST (a); CREATE FOREIGN TABLE fpart PARTITION OF par FOR VALUES IN (1) SERVER s;
    """,
    "text search": """
        CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple, stopwords = 'english', accept = false);
        CREATE TEXT SEARCH CONFIGURATION c (PARSER = default);
        ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR asciiword, word WITH d, simple; COMMENT ON TEXT SEARCH DICTIONARY d IS 'd';
        COMMENT ON TEXT SEARCH CONFIGURATION c IS 'c'; CREATE TEXT SEARCH TEMPLATE tt (LEXIZE = dsimple_lexize, INIT = dsimple_init);
        CREATE TEXT SEARCH PARSER pp (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
        COMMENT ON TEXT SEARCH PARSER pp IS 'x'; ALTER TEXT SEARCH CONFIGURATION c OWNER TO kind_reader;
        CREATE TEXT SEARCH DICTIONARY d2 (TEMPLATE = tt);
    """,
    "operators": """
        CREATE FUNCTION lt(int, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1::text < $2';
        CREATE FUNCTION gt(text, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2::text';
        CREATE OPERATOR <<< (LEFTARG=int, RIGHTARG=text, FUNCTION=lt, COMMUTATOR = >>>, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
        CREATE OPERATOR >>> (LEFTARG=text, RIGHTARG=int, FUNCTION=gt, COMMUTATOR = <<<); COMMENT ON OPERATOR <<< (int, text) IS 'o';
        CREATE FUNCTION cmp(text,text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -bttextcmp($1,$2)';
        CREATE OPERATOR CLASS backwards FOR TYPE text USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 cmp(text,text);
        CREATE OPERATOR FAMILY of USING hash; COMMENT ON OPERATOR CLASS backwards USING btree IS 'oc';
        COMMENT ON OPERATOR FAMILY of USING hash IS 'of'; CREATE TABLE ot (a text); INSERT INTO ot VALUES ('a'),('b');
        CREATE INDEX ob ON ot (a backwards); ALTER OPERATOR FAMILY of USING hash ADD FUNCTION 1 (int4, int4) hashint4(int4);
    """,
    "comments": """
        CREATE TYPE cty AS (a int); COMMENT ON TYPE cty IS 't'; COMMENT ON COLUMN cty.a IS 'col';
        CREATE DOMAIN cdo AS int CONSTRAINT pos CHECK (VALUE>0); COMMENT ON DOMAIN cdo IS 'd';
        COMMENT ON CONSTRAINT pos ON DOMAIN cdo IS 'dc'; CREATE SEQUENCE cse; COMMENT ON SEQUENCE cse IS 'it''s\n-- two \\ lines';
        CREATE FUNCTION cfu(int, out text) LANGUAGE sql AS 'SELECT $1::text'; COMMENT ON FUNCTION cfu(int) IS 'f';
        CREATE PROCEDURE cpr() LANGUAGE sql AS 'SELECT 1'; COMMENT ON PROCEDURE cpr() IS 'p';
        CREATE AGGREGATE cag(int) (SFUNC=int4pl, STYPE=int, INITCOND='0', MSFUNC=int4pl, MINVFUNC=int4mi, MSTYPE=int);
        COMMENT ON AGGREGATE cag(int) IS 'a'; CREATE TABLE cta (a int PRIMARY KEY, b int REFERENCES cta, CHECK (a>0), UNIQUE(b));
        COMMENT ON CONSTRAINT cta_pkey ON cta IS 'pk'; COMMENT ON CONSTRAINT cta_b_fkey ON cta IS 'fk';
        COMMENT ON CONSTRAINT cta_a_check ON cta IS 'ck'; COMMENT ON INDEX cta_pkey IS 'idx';
        CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tr AFTER INSERT ON cta REFERENCING NEW TABLE AS nt FOR EACH STATEMENT EXECUTE FUNCTION tg('x', 'y z');
        COMMENT ON TRIGGER tr ON cta IS 'tr'; ALTER TABLE cta ENABLE ROW LEVEL SECURITY; CREATE POLICY po ON cta USING (true);
        COMMENT ON POLICY po ON cta IS 'po'; CREATE MATERIALIZED VIEW cmv AS SELECT 1 a; COMMENT ON MATERIALIZED VIEW cmv IS 'mv';
        COMMENT ON COLUMN cmv.a IS 'mvc'; CREATE VIEW cvi AS SELECT 1 a; COMMENT ON VIEW cvi IS 'v'; COMMENT ON COLUMN cvi.a IS 'vc';
        COMMENT ON SCHEMA public IS 'mine'; COMMENT ON EXTENSION plpgsql IS 'x';
        CREATE CONSTRAINT TRIGGER ctr AFTER INSERT ON cta DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tg();
        CREATE CONVERSION cco FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; COMMENT ON CONVERSION cco IS 'cv';
        CREATE ACCESS METHOD cam TYPE TABLE HANDLER heap_tableam_handler; COMMENT ON ACCESS METHOD cam IS 'am';
        CREATE TABLE cat (a int) USING cam; INSERT INTO cat VALUES (1);
        CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal));
        COMMENT ON TRANSFORM FOR int LANGUAGE plpgsql IS 'tf';
    """,
    "types": """
        CREATE TYPE shell; CREATE TYPE rg AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = mrg);
        CREATE TYPE base; CREATE FUNCTION bin(cstring) RETURNS base LANGUAGE internal IMMUTABLE STRICT AS 'textin';
        CREATE FUNCTION bout(base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
        CREATE TYPE base (INPUT = bin, OUTPUT = bout, LIKE = text, CATEGORY='S', PREFERRED=false, DELIMITER='|');
        CREATE TABLE tyt (a base, b rg, c mrg, d base[]);
        INSERT INTO tyt VALUES ('x','[1,2]','{[1,2],[4,5]}', ARRAY['a'::base,'b|'::base]); GRANT USAGE ON TYPE rg TO kind_reader;
        REVOKE USAGE ON TYPE base FROM PUBLIC; CREATE TYPE comp AS (a base, b rg); CREATE TABLE typed OF comp (a WITH OPTIONS NOT NULL);
    """,
    "functions": """
        CREATE FUNCTION fa(VARIADIC a int[] DEFAULT '{1}') RETURNS SETOF int LANGUAGE sql STABLE COST 7 ROWS 3 LEAKPROOF PARALLEL SAFE STRICT SET work_mem='5MB' AS 'SELECT unnest(a)';
        CREATE FUNCTION fb() RETURNS TABLE (x int, y text) LANGUAGE sql BEGIN ATOMIC SELECT 1, 'a'::text AS text; END;
        CREATE FUNCTION fc(x int) RETURNS int RETURN x + 1;
        CREATE FUNCTION fd(anyelement) RETURNS anyarray LANGUAGE sql AS 'SELECT ARRAY[$1]';
        CREATE PROCEDURE pa(INOUT x int) LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
        CREATE FUNCTION supp(int) RETURNS int LANGUAGE internal IMMUTABLE STRICT SUPPORT generate_series_int4_support AS 'int4abs';
        CREATE FUNCTION win() RETURNS int LANGUAGE internal WINDOW AS 'window_row_number';
    """,
}
"""What only a superuser can make, so that a restore by another role would be refused."""

WITH_ICU = """
        CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE COLLATION cl (locale = 'C.utf8'); CREATE COLLATION cc FROM "C"; COMMENT ON COLLATION ci IS 'c';
        ALTER COLLATION ci OWNER TO kind_reader; CREATE TABLE ct (a text COLLATE ci PRIMARY KEY, b text COLLATE cl);
        INSERT INTO ct VALUES ('a','b'); CREATE INDEX ON ct (b COLLATE ci);
"""
