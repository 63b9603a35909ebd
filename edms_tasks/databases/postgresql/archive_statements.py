"""Parse a few statements of a pg_dump archive: privileges by statement and role, policies by role, heads of functions.

pg_dump writes identifiers in lower case or in double quotes and keywords in upper case, so a bare TO is never a name. Statements
are bytes in the archive's encoding. It is a server encoding, in which quotes and semicolons are never part of another character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(rb"""'(?:[^']|'')*' | "(?:[^"]|"")*" | [^\s"'(),.;]+ | [(),.;]""", re.VERBOSE)
_BEGINS_AS_ANOTHER = b"SET SESSION AUTHORIZATION "
_BODY_BEGINS = {b"AS", b"BEGIN", b"RETURN"}
_ENDS_AS_ANOTHER = b"RESET SESSION AUTHORIZATION"


@dataclass(frozen=True)
class PolicyText:
    """A CREATE POLICY statement, split at its list of roles."""

    on: bytes  # name, ON, table
    before: bytes  # everything before TO
    roles: tuple[bytes, ...]  # as written; empty: for everybody
    after: bytes
    restrictive: bool

    def to(self, roles: tuple[bytes, ...]) -> bytes:
        """The same policy for other roles."""
        return self.before + b" TO " + b", ".join(roles) + self.after


@dataclass(frozen=True)
class FunctionText:
    """The head of a CREATE FUNCTION statement."""

    language: str
    returns: str  # the first word of its return type
    settings: frozenset[str]  # names of its own settings (SET), in lower case


def with_ends(script: bytes) -> Iterator[bytes]:
    """The statements of a script as they are written, each with its semicolon and what stands before it; together they are the script."""
    start = 0
    for token in _TOKEN.finditer(script):
        if token.group() == b";":
            yield script[start : token.end()]
            start = token.end()
    yield script[start:]


def split(script: bytes) -> Iterator[bytes]:
    """The statements of a privileges entry without semicolons; those between SET and RESET SESSION AUTHORIZATION stay together."""
    start, pending = 0, b""
    for token in _TOKEN.finditer(script):
        if token.group() != b";":
            continue
        statement = script[start : token.start()].strip()
        start = token.end()
        if statement.startswith(_BEGINS_AS_ANOTHER):
            pending = statement
        elif pending:
            pending += b"; " + statement
            if statement == _ENDS_AS_ANOTHER:
                yield pending
                pending = b""
        elif statement:
            yield statement
    if rest := script[start:].strip():
        yield rest


def roles_of(statement: bytes) -> frozenset[str]:
    """The roles in a GRANT, REVOKE or ALTER DEFAULT PRIVILEGES statement, without PUBLIC."""
    words = [token.group() for token in _TOKEN.finditer(statement)]
    after = {(b"TO",), (b"FROM",), (b"FOR", b"ROLE"), (b"SESSION", b"AUTHORIZATION")}
    return frozenset(
        unquoted(word)
        for at, word in enumerate(words)
        if (tuple(words[at - 1 : at]) in after or tuple(words[max(at - 2, 0) : at]) in after)
        and word not in (b"PUBLIC", b";")
    )


def parse_policy(definition: bytes) -> PolicyText | None:
    """Split a CREATE POLICY statement at its roles; None if it is not in pg_dump's form."""
    tokens = list(_TOKEN.finditer(definition))
    words = [token.group() for token in tokens]
    if words[:2] != [b"CREATE", b"POLICY"] or words[3:4] != [b"ON"]:
        return None
    at = 5
    while words[at : at + 1] == [b"."]:
        at += 2
    on = definition[tokens[2].start() : tokens[at - 1].end()]
    restrictive = words[at : at + 2] == [b"AS", b"RESTRICTIVE"]
    at += 2 if restrictive else 0
    at += 2 if words[at : at + 1] == [b"FOR"] else 0
    if words[at : at + 1] != [b"TO"]:
        known = words[at : at + 1] in ([b"USING"], [b"WITH"], [b";"], [])
        return PolicyText(on, definition, (), b"", restrictive) if known else None
    before = definition[: tokens[at].start()].rstrip()
    roles = [words[at + 1]]
    at += 2
    while words[at : at + 1] == [b","]:
        roles.append(words[at + 1])
        at += 2
    if words[at : at + 1] not in ([b"USING"], [b"WITH"], [b";"]):
        return None
    return PolicyText(on, before, tuple(roles), definition[tokens[at - 1].end() :], restrictive)


def parse_function(definition: bytes) -> FunctionText:
    """Read the head of a CREATE FUNCTION statement, up to its body."""
    found: dict[bytes, list[str]] = {b"LANGUAGE": [], b"RETURNS": [], b"SET": []}
    depth, before = 0, b""
    for token in (match.group() for match in _TOKEN.finditer(definition)):
        if depth == 0 and token in _BODY_BEGINS:
            break
        if depth == 0 and before in found:
            found[before].append(unquoted(token))
        depth += (token == b"(") - (token == b")")
        before = token
    languages, types, settings = found.values()
    return FunctionText(
        languages[0] if languages else "", types[0] if types else "", frozenset(name.lower() for name in settings)
    )


def word_after(definition: bytes, *words: bytes) -> str | None:
    """The name after these keywords, without quotes; None if they are not in the statement."""
    found = [token.group() for token in _TOKEN.finditer(definition)]
    for at in range(len(found) - len(words)):
        if tuple(found[at : at + len(words)]) == words:
            return unquoted(found[at + len(words)])
    return None


def unquoted(name: bytes) -> str:
    """An identifier without its quotes."""
    bare = name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name
    return bare.decode("utf-8", "surrogateescape")
