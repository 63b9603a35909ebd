"""Functions that name things without their schema, and an object of every kind in which one may stand."""

from __future__ import annotations

TABLES = """
    CREATE SCHEMA app; SET search_path = app, public;
    CREATE TABLE words (word text, plain text); INSERT INTO words VALUES ('Café', 'cafe'), ('Tür', 'tur');
    CREATE TABLE papers (id integer PRIMARY KEY, title text); INSERT INTO papers VALUES (1, 'Café'), (2, 'Tür'), (3, 'x')
"""
FUNCTIONS = """
    CREATE OR REPLACE FUNCTION looked_up(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT plain FROM app.words WHERE word = $1';
    CREATE OR REPLACE FUNCTION folded(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RETURN replace(replace(lower($1), 'é', 'e'), 'ü', 'u'); END $$;
    CREATE OR REPLACE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT coalesce(app.folded($1), lower($1))';
    CREATE OR REPLACE FUNCTION is_plain(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT app.plain($1) = $1';
    CREATE OR REPLACE FUNCTION has_word(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RETURN app.plain($1) <> ''; END $$;
    CREATE OR REPLACE FUNCTION alike(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT app.plain($1) = app.plain($2)'
"""
# Version 17 and newer build nothing from functions like these, and keep what was built before they became so.
UNQUALIFIED = FUNCTIONS.replace("app.", "")
# What makes an object of the kind, and what is asked of it in the original and in the copy.
KINDS = {
    "index": (
        "CREATE INDEX by_plain ON papers (plain(title)); CREATE UNIQUE INDEX by_folded ON papers (folded(title), id)",
        "SELECT id, pg_get_indexdef('by_plain'::regclass) FROM papers WHERE plain(title) = 'cafe'",
    ),
    "predicate of an index": (
        "CREATE INDEX not_plain ON papers (id) WHERE NOT is_plain(title)",
        "SELECT count(*), pg_get_indexdef('not_plain'::regclass) FROM papers WHERE NOT is_plain(title)",
    ),
    "generated column": (
        "ALTER TABLE papers ADD computed text GENERATED ALWAYS AS (plain(title)) STORED",
        "SELECT id, computed FROM papers ORDER BY 1",
    ),
    "check": (
        "ALTER TABLE papers ADD CONSTRAINT has_a_word CHECK (has_word(title)), ADD CONSTRAINT later CHECK (is_plain(title)) NOT VALID",
        "SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'papers'::regclass ORDER BY 1",
    ),
    "view": (
        "CREATE VIEW plain_papers AS SELECT id, plain(title) AS title FROM papers",
        "SELECT * FROM plain_papers ORDER BY 1",
    ),
    "materialised view": (
        "CREATE MATERIALIZED VIEW words_of_papers AS SELECT id, looked_up(title) AS word, plain(title) FROM papers;"
        "CREATE INDEX on_words ON words_of_papers (plain(word))",
        "SELECT * FROM words_of_papers ORDER BY 1",
    ),
    "trigger": (
        "CREATE FUNCTION fold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title = plain(NEW.title); RETURN NEW; END $$;"
        "CREATE TABLE inbox (title text); INSERT INTO inbox VALUES ('Öl');"
        "CREATE TRIGGER fold BEFORE INSERT ON inbox FOR EACH ROW WHEN (has_word(NEW.title)) EXECUTE FUNCTION fold()",
        "INSERT INTO inbox VALUES ('É') RETURNING title, (SELECT array_agg(title) FROM inbox)",
    ),
    "policy": (
        "CREATE POLICY only_plain ON papers USING (is_plain(title))",
        "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'only_plain'",
    ),
    "statistics": (
        "CREATE STATISTICS of_titles ON (plain(title)), id FROM papers",
        "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxname = 'of_titles'",
    ),
    "default": (
        "CREATE TABLE defaults (id integer, title text DEFAULT plain('É')); INSERT INTO defaults VALUES (1)",
        "INSERT INTO defaults VALUES (2) RETURNING title, (SELECT count(*) FROM defaults)",
    ),
    "domain": (
        "CREATE DOMAIN word AS text CHECK (has_word(VALUE)); CREATE TABLE of_words (a word PRIMARY KEY);"
        "INSERT INTO of_words VALUES ('É'), ('x')",
        "SELECT array_agg(a::text ORDER BY a), pg_typeof(min(a))::text FROM of_words GROUP BY pg_typeof(a)",
    ),
    "exclusion": (
        "ALTER TABLE papers ADD CONSTRAINT once EXCLUDE USING btree (plain(title) WITH =)",
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'once'",
    ),
    "partition key": (
        "CREATE TABLE parts (a text) PARTITION BY LIST (plain(a)); CREATE TABLE parts_e PARTITION OF parts FOR VALUES IN ('e');"
        "CREATE TABLE parts_x PARTITION OF parts DEFAULT; INSERT INTO parts VALUES ('É'), ('x'); CREATE INDEX ON parts (has_word(a))",
        "SELECT tableoid::regclass::text, a FROM parts ORDER BY 1",
    ),
    "operator": (
        "CREATE OPERATOR ~== (LEFTARG = text, RIGHTARG = text, FUNCTION = alike); CREATE INDEX likes ON papers ((title ~== 'Café'))",
        "SELECT id FROM papers WHERE title ~== 'CAFÉ'",
    ),
    "value that is a name": (
        "CREATE TABLE names (id integer PRIMARY KEY, a regclass, b regprocedure, title text CHECK (has_word(title)));"
        "INSERT INTO names VALUES (1, 'papers', 'plain(text)', 'É')",
        "SELECT a::oid::regclass::text, b::oid::regprocedure::text FROM names",
    ),
}  # fmt: skip
