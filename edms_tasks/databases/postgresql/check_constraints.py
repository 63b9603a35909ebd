"""CHECK constraints of tables and domains that may give another result now than when their rows were written.

Such a constraint calls a function of the EDMS, whose body may have changed or may name something that does not exist any more, or one
that is not immutable, as `CHECK (expires > now())`. The rows exist all the same. So a restore loads them without the constraint, adds it
NOT VALID, and has the server validate it. If that fails it stays NOT VALID, and applies to new rows only.
A backup checks the rows of the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.databases.postgresql.archive import Archive, Entry
from edms_tasks.databases.postgresql.refusable_statements import Connection, evaluate, rehearse, take_settings
from edms_tasks.databases.postgresql.schema_plan import subject
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.quoting import literal

# Calls a function that is not immutable, or that the EDMS may change. (pg_depend does not list the server's own functions.)
CALLS_OWN = """
    EXISTS (SELECT FROM pg_catalog.regexp_matches({tree}::text, ':(?:funcid|opfuncid) (\\d+)', 'g') called
            JOIN pg_catalog.pg_proc p ON p.oid = called[1]::oid
            WHERE p.provolatile <> 'i' OR p.oid >= 16384 AND NOT EXISTS
                (SELECT FROM pg_catalog.pg_depend d
                 WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
    OR {tree}::text ~ '\\{{COERCETODOMAIN '
"""
DOUBTFUL = f"""
    {CALLS_OWN}
    OR {{tree}}::text ~ '\\{{{{(SQLVALUEFUNCTION|COERCEVIAIO) '
"""
NOT_AN_EXTENSIONS = """
    NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = '{catalogue}'::regclass AND e.objid = {oid} AND e.deptype = 'e')
"""
# Children before parents: a parent's constraint merges with those of its children.
_OF_TABLES = f"""
    WITH RECURSIVE above(oid, depth) AS (
        SELECT c.oid, 0 FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'f')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid)
        UNION ALL SELECT h.inhrelid, above.depth + 1 FROM above JOIN pg_catalog.pg_inherits h ON h.inhparent = above.oid
    )
    SELECT n.nspname, c.relname, k.conname, pg_catalog.format('TABLE %I.%I', n.nspname, c.relname), pg_catalog.quote_ident(k.conname),
           pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.obj_description(k.oid, 'pg_constraint'),
           ARRAY(SELECT pn.nspname || ' ' || p.relname FROM pg_catalog.pg_partition_tree(c.oid) t
                 JOIN pg_catalog.pg_class p ON p.oid = t.relid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace)
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'c' AND k.convalidated AND k.conislocal AND {NOT_AN_EXTENSIONS.format(catalogue="pg_catalog.pg_class", oid="c.oid")}
    AND ({DOUBTFUL.format(tree="k.conbin")})
    ORDER BY (SELECT max(depth) FROM above WHERE above.oid = c.oid) DESC, 1, 2, 3
"""
_OF_DOMAINS = f"""
    SELECT n.nspname, t.typname, k.conname, pg_catalog.format('DOMAIN %I.%I', n.nspname, t.typname), pg_catalog.quote_ident(k.conname),
           pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.obj_description(k.oid, 'pg_constraint'), ARRAY[]::text[]
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_type t ON t.oid = k.contypid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE k.contype = 'c' AND k.convalidated AND {NOT_AN_EXTENSIONS.format(catalogue="pg_catalog.pg_type", oid="t.oid")}
    AND ({DOUBTFUL.format(tree="k.conbin")})
    ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class CheckConstraint:
    """A check constraint of a table or domain."""

    schema: str  # not quoted
    table: str  # or domain; not quoted
    name: str  # not quoted
    owner: str  # `TABLE …` or `DOMAIN …` for ALTER, quoted by the server
    quoted: str  # the constraint's name, quoted by the server
    definition: str  # CHECK (…)
    comment: str | None
    partitions: tuple[str, ...]  # "schema name" of partitions, in whose definitions pg_dump repeats it

    @property
    def add(self) -> str:
        """The statement that adds it NOT VALID, for new rows only."""
        return f"ALTER {self.owner} ADD CONSTRAINT {self.quoted} {self.definition} NOT VALID"

    @property
    def validate(self) -> str:
        """The statement that validates it for all rows."""
        return f"ALTER {self.owner} VALIDATE CONSTRAINT {self.quoted}"

    @property
    def told(self) -> str:
        """The constraint and its table, for people."""
        return f"{self.name} of {self.schema}.{self.table}"


def set_aside(connection: Connection) -> list[CheckConstraint]:
    """Drop the constraints that may refuse rows; returns them in the order in which they can be added again."""
    tables = [_check(row) for row in connection.execute(_OF_TABLES.encode()).fetchall()]
    domains = [_check(row) for row in connection.execute(_OF_DOMAINS.encode()).fetchall()]
    # The server cannot validate a constraint of a domain that is part of another type in use; such a domain keeps it.
    usable = [one for one in domains if rehearse(connection, f"ALTER {one.owner} ADD CHECK (true)".encode()) is None]
    with connection.transaction():
        for one in [*reversed(tables), *usable]:
            connection.execute(f"ALTER {one.owner} DROP CONSTRAINT {one.quoted}".encode())
    return [*tables, *usable]


def put_back(
    connection: Connection, checks: Sequence[CheckConstraint], settings: Mapping[str, str]
) -> dict[CheckConstraint, str]:
    """Add constraints again and have the server validate them; returns those that fail -> the reason.

    Args:
        connection: to the loaded database, with an empty search path.
        checks: the result of `set_aside`.
        settings: the settings of the EDMS's sessions, for the validation.
    """
    with connection.transaction():
        for one in checks:
            connection.execute(one.add.encode())
            if one.comment is not None:
                on = one.owner.removeprefix("TABLE ")
                connection.execute(f"COMMENT ON CONSTRAINT {one.quoted} ON {on} IS {literal(one.comment)}".encode())
    refused = {}
    for one in checks:
        with connection.transaction():
            take_settings(connection, settings)
            why = evaluate(connection, one.validate.encode())
        if why is not None:
            refused[one] = why
    return refused


def changed_by(refused: Mapping[CheckConstraint, str], archive: Archive) -> Iterator[LeftOut]:
    """The changed definitions: pg_dump writes a valid constraint into its table's definition, and one NOT VALID as its own entry."""
    for one, why in refused.items():
        name = f"CHECK CONSTRAINT {one.schema} {one.table} {one.name}"
        yield LeftOut(name, f"the rows do not satisfy it ({why})", one.validate, instead=f"{one.add};")
    for entry in archive.entries:
        within = [one for one in refused if _is_part_of(one, entry)]
        text = entry.text("definition")
        for one in within:
            text = _without(text, f"CONSTRAINT {one.quoted} {one.definition}")
        if within:
            yield LeftOut(
                subject(entry), f"{', '.join(one.name for one in within)} was restored NOT VALID", instead=text
            )


def _check(row: tuple[object, ...]) -> CheckConstraint:
    schema, table, name, owner, quoted, definition, comment, partitions = row
    assert isinstance(partitions, list)  # text[] in both queries
    text = None if comment is None else str(comment)
    return CheckConstraint(
        str(schema), str(table), str(name), str(owner), str(quoted), str(definition), text, tuple(partitions)
    )


def _is_part_of(check: CheckConstraint, entry: Entry) -> bool:
    schema, name = entry.text("schema"), entry.text("tag")
    if entry.kind == "DOMAIN" or entry.kind == "TABLE":
        is_its_own = check.owner.startswith(f"{entry.kind} ") and (schema, name) == (check.schema, check.table)
        return is_its_own or (entry.kind == "TABLE" and f"{schema} {name}" in check.partitions)
    return False


def _without(text: str, written: str) -> str:
    for found in (f",\n    {written}", f"\n    {written},", f"\n    {written}", f"\n\t{written}"):
        if found in text:
            return text.replace(found, "", 1)
    return text
