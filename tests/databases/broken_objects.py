"""Objects whose functions do not do any more what they did when the object was made, a kind each."""

from __future__ import annotations

TABLES = """
    CREATE SCHEMA app; SET search_path = app, public;
    CREATE TABLE words (word text); INSERT INTO words VALUES ('a'), ('b');
    CREATE TABLE papers (id integer PRIMARY KEY, title text); INSERT INTO papers VALUES (1, 'a'), (2, 'b'), (3, 'c');
    CREATE FUNCTION good(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
    CREATE FUNCTION shape(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$
"""
# How a function came to fail: plpgsql and sql, what it names is gone, or it says no.
BREAKS = {
    "names a table that is gone": """
        CREATE OR REPLACE FUNCTION app.good(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN (SELECT count(*) > 0 FROM app.gone); END $$;
        CREATE OR REPLACE FUNCTION app.shape(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN (SELECT min(x) FROM app.gone); END $$
    """,
    "calls a function that is gone": """
        SET check_function_bodies = off;
        CREATE OR REPLACE FUNCTION app.good(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT app.gone($1)';
        CREATE OR REPLACE FUNCTION app.shape(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT app.gone($1)'
    """,
    "raises an error": """
        CREATE OR REPLACE FUNCTION app.good(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RAISE 'not now'; END $$;
        CREATE OR REPLACE FUNCTION app.shape(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RAISE 'not now'; END $$
    """,
    "says otherwise": """
        CREATE OR REPLACE FUNCTION app.good(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 <> 'b' $$;
        CREATE OR REPLACE FUNCTION app.shape(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$
    """,
}
KINDS = {
    "check": "ALTER TABLE papers ADD CONSTRAINT is_good CHECK (good(title))",
    "check with a comment": """
        ALTER TABLE papers ADD CONSTRAINT is_good CHECK (good(title)); COMMENT ON CONSTRAINT is_good ON papers IS 'it''s good'
    """,
    "check of a partitioned table": """
        CREATE TABLE parts (id integer, title text, CONSTRAINT is_good CHECK (good(title))) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9); INSERT INTO parts VALUES (1, 'a'), (2, 'b')
    """,
    "check of parent and child": """
        CREATE TABLE parent (id integer, title text, CONSTRAINT is_good CHECK (good(title)));
        CREATE TABLE child (more integer) INHERITS (parent); INSERT INTO child VALUES (1, 'a'), (2, 'b')
    """,
    "domain": """
        CREATE DOMAIN word AS text CONSTRAINT is_good CHECK (good(VALUE)); CREATE TABLE of_words (a word PRIMARY KEY);
        INSERT INTO of_words VALUES ('a'), ('b')
    """,
    "exclusion": "ALTER TABLE papers ADD CONSTRAINT once EXCLUDE USING btree (shape(title) WITH =)",
    "unique index": "CREATE UNIQUE INDEX once ON papers (shape(title))",
    "index": "CREATE INDEX by_shape ON papers (shape(title))",
    "statistics": "CREATE STATISTICS of_titles ON (shape(title)), id FROM papers",
    "default": "CREATE TABLE defaults (id integer, title text DEFAULT shape('é')); INSERT INTO defaults VALUES (1)",
    "generated column": "ALTER TABLE papers ADD computed text GENERATED ALWAYS AS (shape(title)) STORED",
    "materialised view": "CREATE MATERIALIZED VIEW shapes AS SELECT shape(title) FROM papers",
    "partition key": """
        CREATE TABLE parts (id integer, title text) PARTITION BY LIST (shape(title));
        CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); CREATE TABLE parts_b PARTITION OF parts DEFAULT;
        INSERT INTO parts VALUES (1, 'a'), (2, 'b')
    """,
}  # fmt: skip
