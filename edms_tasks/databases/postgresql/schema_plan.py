"""Decide from the archive which parts of a snapshot's schema this role can restore on this server, before anything is loaded.

Most entries are given to pg_restore unchanged. Those that a server may refuse while the rest works (privileges, policies, labels,
event triggers, owners) are kept apart and tried statement by statement. If something is missing that the rest needs, the restore is
refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from edms_tasks.databases.postgresql.archive import Archive, Entry
from edms_tasks.databases.postgresql.archive_statements import parse_policy, roles_of, split, word_after
from edms_tasks.databases.postgresql.server import Connection, ServerCapabilities
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.errors import ServerNotReady
from edms_tasks.quoting import identifier

# Kinds that pg_restore gives to their owner (pg_backup_archiver.c, _getObjectDescription).
OWNED = {
    "AGGREGATE", "COLLATION", "CONVERSION", "DOMAIN", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "FOREIGN TABLE", "FUNCTION",
    "MATERIALIZED VIEW", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURAL LANGUAGE", "PROCEDURE", "PUBLICATION",
    "SCHEMA", "SEQUENCE", "SERVER", "STATISTICS", "SUBSCRIPTION", "TABLE", "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY", "TYPE", "VIEW",
}  # fmt: skip
_OURS = {
    "ACL", "DEFAULT ACL", "EVENT TRIGGER", "POLICY", "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA",
    "SECURITY LABEL", "SUBSCRIPTION", "USER MAPPING",
}  # fmt: skip
FOR_ALL = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES"}
_FOLLOW = {"COMMENT", "SECURITY LABEL", "ACL"}


@dataclass(frozen=True)
class Attempt:
    """Statements of an entry that are tried when the rest is restored."""

    entry: Entry
    statements: tuple[bytes, ...]
    subject: str


@dataclass
class Plan:
    """The decision for each entry."""

    archived: list[Entry] = field(default_factory=list)  # for pg_restore
    schemas: list[Attempt] = field(default_factory=list)  # owners and privileges of schemas; they come first
    owners: list[Attempt] = field(default_factory=list)
    others: list[Attempt] = field(default_factory=list)
    last: list[Attempt] = field(default_factory=list)  # event triggers, which would fire for the others
    left_out: list[LeftOut] = field(default_factory=list)
    orphans: list[Entry] = field(default_factory=list)  # entries whose owner does not exist here
    heir: str = ""  # the role that owns them instead

    def leave_out_privileges_of_owners(self, orphans: Iterable[Entry]) -> None:
        """Leave out the privileges of the heir and of the former owner on entries that have another owner now.

        A grant to the owner of an object means nothing, and the former owner's privileges are those of the new owner.
        """
        owners = {entry.number: entry.text("owner") for entry in orphans}
        for attempts, at in [(each, at) for each in (self.schemas, self.others) for at in range(len(each))]:
            attempt = attempts[at]
            owned = next((need for need in attempt.entry.needs if need in owners), None)
            if attempt.entry.kind != "ACL" or owned is None:
                continue
            theirs = {owners[owned], self.heir}
            left = [one for one in attempt.statements if theirs & roles_of(one)]
            why = f"{self.heir} owns it here and has an owner's privileges"
            self.left_out += [LeftOut(attempt.subject, why, _text_of(one)) for one in left]
            possible = tuple(one for one in attempt.statements if one not in left)
            attempts[at] = replace(attempt, statements=possible)


def plan_restore(archive: Archive, server: ServerCapabilities, fallback: str, where: str) -> Plan:
    """Decide for each entry whether and how it is restored.

    Args:
        archive: the snapshot's schema.
        server: the server as seen from the staging database.
        fallback: the role that gets the objects of roles that do not exist here.
        where: the database, for messages.

    Raises:
        ServerNotReady: something is missing that the rest needs; the error names all of it.
    """
    refused = [*_refused(archive, server)]
    if refused:
        statements = " ".join(f"{one.statement};" for one in refused if one.statement)
        raise ServerNotReady(
            "The server is not ready for this snapshot.",
            where=where,
            why="; ".join(one.why for one in refused),
            fix="The live system is untouched. Provide what is missing, and restore again."
            + (f" As a superuser: {statements}" if statements else ""),
        )
    plan = Plan(heir=fallback if server.superuser else server.role)
    apart = {entry.number for entry in archive.entries if entry.kind in _OURS or _is_there(entry, server)}
    last = {entry.number for entry in archive.entries if entry.kind == "EVENT TRIGGER"}
    for entry in archive.entries:
        if entry.kind in _FOLLOW and apart & {*entry.needs} and entry.kind not in _OURS:
            when = plan.last if last & {*entry.needs} else plan.others
            when.append(Attempt(entry, (entry.raw("definition"),), subject(entry)))
        elif entry.kind in _OURS:
            _keep_apart(plan, entry, server)
        elif entry.kind not in FOR_ALL and not _is_there(entry, server):
            plan.archived.append(_fitted(plan, entry, server, fallback))
        elif entry.kind == "SCHEMA":
            _give_to_owner(plan, entry, server)
        elif entry.kind in FOR_ALL:
            plan.archived.append(entry)
    plan.leave_out_privileges_of_owners(plan.orphans)
    return plan


def subject(entry: Entry) -> str:
    """The entry's name in the validation."""
    return f"{entry.kind} {entry.text('schema') or '-'} {entry.text('tag')}"


def _refused(archive: Archive, server: ServerCapabilities) -> Iterator[LeftOut]:
    for entry in archive.entries:
        if entry.kind == "EXTENSION":
            yield from _refused_extension(entry, server)
        if entry.kind == "POLICY":
            policy = parse_policy(entry.raw("definition"))
            # Without a restrictive policy, members of its role would see more than before.
            if policy is not None and policy.restrictive and policy.roles:
                for role in sorted(roles_of(policy.to(policy.roles)) - server.roles):
                    yield LeftOut(
                        subject(entry),
                        f"the restrictive {entry.name} is for role {role}, which does not exist here, and without it people would see more",
                        f"CREATE ROLE {identifier(role)} NOLOGIN",
                    )


def _refused_extension(entry: Entry, server: ServerCapabilities) -> Iterator[LeftOut]:
    name = entry.text("tag")
    schema = word_after(entry.raw("definition"), b"WITH", b"SCHEMA")
    present = server.installed.get(name)
    if present is not None:
        if schema is not None and present != schema:
            statement = f"ALTER EXTENSION {identifier(name)} SET SCHEMA {identifier(schema)}"
            yield LeftOut(subject(entry), f"extension {name} is in schema {present} and belongs in {schema}", statement)
        return
    found = server.available.get(name)
    if found is None:
        yield LeftOut(
            subject(entry),
            f"extension {name} is not available on the server: install its package there",
        )
    elif found.needs_superuser and not server.superuser:
        in_schema = f" WITH SCHEMA {identifier(schema)}" if schema not in (None, "public") else ""
        made = f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}; " if in_schema else ""
        yield LeftOut(
            subject(entry),
            f"extension {name} needs a superuser, so have an empty database made with it and restore with --into",
            f"{made}CREATE EXTENSION {identifier(name)}{in_schema}",
        )


def _is_there(entry: Entry, server: ServerCapabilities) -> bool:
    """Whether the database has the schema or extension already: `public`, or what a superuser created beforehand."""
    if entry.kind == "SCHEMA":
        return entry.text("tag") in server.schemas
    return entry.kind == "EXTENSION" and entry.text("tag") in server.installed


def _fitted(plan: Plan, entry: Entry, server: ServerCapabilities, fallback: str) -> Entry:
    """The entry in a form that this server can restore; what was changed is reported, or tried afterwards."""
    space = entry.text("tablespace")
    if space and space not in server.tablespaces:
        entry = entry.changed("tablespace", b"")
        what = "INDEX" if entry.kind in ("INDEX", "CONSTRAINT") else entry.kind
        name = identifier(
            entry.text("schema"),
            entry.text("tag").rpartition(" ")[2] if entry.kind == "CONSTRAINT" else entry.text("tag"),
        )
        plan.left_out.append(
            LeftOut(
                f"tablespace of {entry.name}",
                f"tablespace {space} does not exist here or may not be used",
                f"ALTER {what} {name} SET TABLESPACE {identifier(space)}",
            )
        )
    if entry.kind not in OWNED or not entry.raw("owner"):
        return entry
    owner = entry.text("owner")
    if owner == server.role or (server.superuser and owner in server.roles):
        return entry
    _give_to_owner(plan, entry, server)
    return entry.changed("owner", fallback.encode("utf-8", "surrogateescape") if server.superuser else b"")


def _give_to_owner(plan: Plan, entry: Entry, server: ServerCapabilities, when: list[Attempt] | None = None) -> None:
    owner, statement = entry.text("owner"), _owner_statement(entry)
    if not owner:
        return
    if statement is None:  # the sequence of an identity column always has the owner of its table
        if owner not in server.assumable:
            plan.orphans.append(entry)
            plan.left_out.append(LeftOut(f"owner of {entry.name}", _missing([owner], server)))
        return
    if owner in server.assumable:
        given = plan.schemas if entry.kind == "SCHEMA" else plan.owners
        made = Attempt(entry, (statement.encode("utf-8", "surrogateescape"),), f"owner of {entry.name}")
        (given if when is None else when).append(made)
    else:
        plan.orphans.append(entry)
        plan.left_out.append(LeftOut(f"owner of {entry.name}", _missing([owner], server), statement))


def require_harmless(connection: Connection, orphans: Sequence[Entry], heir: str, where: str) -> None:
    """Refuse functions with their owner's rights if they would become a superuser's because the owner is missing.

    Raises:
        ServerNotReady: functions with SECURITY DEFINER would.
    """
    functions = {
        entry.text("drop").strip()[: -len(";")].split(" ", 2)[2]: entry
        for entry in orphans
        if entry.kind in ("FUNCTION", "PROCEDURE")
    }
    rows = connection.execute(
        "SELECT f FROM unnest(%s::text[]) f JOIN pg_catalog.pg_proc p ON p.oid = pg_catalog.to_regprocedure(f) "
        "WHERE prosecdef AND (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = %s) ORDER BY 1",
        ([*functions], heir),
    ).fetchall()
    if rows:
        owners = sorted({functions[str(name)].text("owner") for (name,) in rows})
        raise ServerNotReady(
            "Functions that run with their owner's rights (SECURITY DEFINER) would run with a superuser's.",
            where=where,
            why=f"The owners {', '.join(owners)} of {', '.join(str(name) for (name,) in rows)} do not exist here.",
            fix="The live system is untouched. As a superuser: "
            + " ".join(f"CREATE ROLE {identifier(owner)} NOLOGIN;" for owner in owners),
        )


def _owner_statement(entry: Entry) -> str | None:
    """ALTER … OWNER TO, with the object's name from its DROP statement; None if it has none."""
    owner = identifier(entry.text("owner"))
    if entry.kind == "SCHEMA":
        return f"ALTER SCHEMA {identifier(entry.text('tag'))} OWNER TO {owner}"
    drop = entry.text("drop").strip()
    if not drop.startswith("DROP ") or not drop.endswith(";"):
        return None
    return f"ALTER {drop[len('DROP ') : -1]} OWNER TO {owner}"


def _keep_apart(plan: Plan, entry: Entry, server: ServerCapabilities) -> None:
    if entry.kind == "POLICY":
        _keep_policy(plan, entry, server)
    elif entry.kind in ("ACL", "DEFAULT ACL"):
        _keep_privileges(plan, entry, server)
    else:
        definition = entry.raw("definition")
        role = word_after(definition, b"USER", b"MAPPING", b"FOR") if entry.kind == "USER MAPPING" else None
        if role not in (None, "public") and role not in server.roles:
            plan.left_out.append(LeftOut(subject(entry), _missing([str(role)], server), _text_of(definition)))
            return
        when = plan.last if entry.kind == "EVENT TRIGGER" else plan.others
        when.append(Attempt(entry, (definition,), subject(entry)))
        if entry.kind in OWNED and entry.text("owner") != server.role:
            _give_to_owner(plan, entry, server, when)


def _keep_privileges(plan: Plan, entry: Entry, server: ServerCapabilities) -> None:
    possible = []
    for statement in split(entry.raw("definition")):
        missing = roles_of(statement) - server.roles
        if missing:
            plan.left_out.append(LeftOut(subject(entry), _missing(sorted(missing), server), _text_of(statement)))
        else:
            possible.append(statement)
    if possible:
        of_schema = entry.kind == "ACL" and entry.text("tag").startswith("SCHEMA ")
        (plan.schemas if of_schema else plan.others).append(Attempt(entry, tuple(possible), subject(entry)))


def _keep_policy(plan: Plan, entry: Entry, server: ServerCapabilities) -> None:
    definition = entry.raw("definition")
    policy = parse_policy(definition)
    roles = policy.roles if policy else ()
    here = tuple(role for role in roles if not roles_of(b"GRANT x TO " + role) - server.roles)
    if policy is None or len(here) == len(roles):
        plan.others.append(Attempt(entry, (definition,), subject(entry)))
        return
    why = _missing(sorted(roles_of(policy.to(roles)) - server.roles), server)
    statement = definition
    if here:
        plan.others.append(Attempt(entry, (policy.to(here),), subject(entry)))
        statement = b"ALTER POLICY " + policy.on + b" TO " + b", ".join(roles)
    plan.left_out.append(LeftOut(subject(entry), f"{why} (less is allowed than before)", _text_of(statement)))


def _missing(roles: Sequence[str], server: ServerCapabilities) -> str:
    absent = [role for role in roles if role not in server.roles]
    names = ", ".join(absent or roles)
    many = len(absent or roles) > 1
    if absent:
        return f"role{'s' if many else ''} {names} do{'' if many else 'es'} not exist here"
    return f"the role {server.role} is not a member of {names}"


def _text_of(statement: bytes) -> str:
    return statement.decode("utf-8", "surrogateescape").strip().removesuffix(";")
