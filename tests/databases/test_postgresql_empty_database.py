"""A database that is lent for migrations is given back as it was, with the extensions that somebody put into it."""

from __future__ import annotations

import subprocess

import psycopg

from edms_tasks.databases import DatabaseAddress
from edms_tasks.databases.postgresql.empty_database import borrowed
from tests.postgres_server import PostgresServer

THERE = """
CREATE EXTENSION citext;
CREATE SCHEMA "Made before";
CREATE EXTENSION hstore SCHEMA "Made before";
GRANT USAGE ON SCHEMA public TO PUBLIC;
COMMENT ON SCHEMA public IS 'of the administrator';
"""
BY_MIGRATIONS = """
CREATE EXTENSION pg_trgm;
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('calm');
CREATE TABLE app.a (m app.mood);
CREATE TYPE "Size" AS ENUM ('s');
CREATE DOMAIN code AS citext CHECK (value <> '');
CREATE TABLE "A table" (id serial PRIMARY KEY, c code, s "Size");
CREATE TABLE parts (id integer) PARTITION BY RANGE (id);
CREATE TABLE "Made before".b (a integer REFERENCES "A table");
CREATE VIEW v AS SELECT id FROM "A table";
CREATE MATERIALIZED VIEW m AS SELECT id FROM v;
CREATE SEQUENCE alone;
CREATE FUNCTION f(integer, text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER kept AFTER INSERT ON "A table" EXECUTE FUNCTION t();
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
"""


def test_objects_of_migrations_are_dropped_and_older_ones_stay(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    with psycopg.connect(postgres_database) as connection:
        connection.execute(THERE)
    before = _dump(postgres_server, postgres_database)

    with borrowed(DatabaseAddress.from_url(postgres_database)), psycopg.connect(postgres_database) as connection:
        connection.execute(BY_MIGRATIONS)

    assert _dump(postgres_server, postgres_database) == before
    assert "citext" in before


def _dump(server: PostgresServer, url: str) -> str:
    done = subprocess.run([server.bin_dir / "pg_dump", url], check=True, capture_output=True, text=True)
    # Newer pg_dumps guard their scripts with a random word.
    return "\n".join(line for line in done.stdout.splitlines() if "restrict" not in line)
