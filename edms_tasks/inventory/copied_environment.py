"""The environment of what works with a restored copy: variables that name the live database or a live folder name the copy's.

A process that an acceptance command starts reads its settings anew, from these variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

_OF_THE_SYSTEM = re.compile(
    r"PATH|HOME|PWD|OLDPWD|TMPDIR|USER|LOGNAME|SHELL|LANG|TZ|VIRTUAL_ENV|.*_PATH|PYTHON.*|LC_.*|XDG_.*"
)

_ABOUT_A_DATABASE = re.compile(r"DATABASE|DB|(?:^|_)PG", re.IGNORECASE)
_ABOUT_ITS_SERVER = re.compile(
    r"USER|LOGIN|OWNER|ROLE|PASS|HOST|ADDR|SERVER|SERVICE|SOCKET|PORT|SSL|ENGINE|TYPE|VENDOR|BACKEND|SCHEMA|ALIAS|APP|OPTION",
    re.IGNORECASE,
)
"""Variables about a database whose whole value is no database's name; users, passwords and hosts are often called the same."""

_NO_DATABASE = "https?|wss?|ftps?|smtps?|amqps?|redis|rediss"
"""Schemes of addresses whose path names something else, which may be called like the database."""


def for_the_copy(
    variables: Mapping[str, str], databases: Iterable[str], database: str, folders: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """The variables that name something live, as they have to be for a copy; all others are left out.

    Args:
        variables: the environment.
        databases: names of the live database; on SQLite its paths.
        database: that of the copy.
        folders: (live folder, the copy's).
    """
    names = list(databases)
    copied = {live.rstrip("/"): copy for live, copy in folders} | {
        live: database for live in names if live.startswith("/")
    }
    on_a_server = [live for live in names if not live.startswith("/")]
    changed = {}
    for name, value in variables.items():
        if _OF_THE_SYSTEM.fullmatch(name):
            continue
        new = _with_paths(value, copied)
        if on_a_server:
            new = _with_names(name, new, on_a_server, database)
        if new != value:
            changed[name] = new
    return changed


def _with_paths(text: str, copied: Mapping[str, str]) -> str:
    """The text with paths, or what is below them, replaced; what only begins with the same letters stays."""
    # The longest first: a folder may be inside another. In one pass: a copy may be inside what is live.
    lives = sorted((live for live in copied if len(live.strip("/")) >= 2), key=len, reverse=True)
    if not lives:
        return text
    groups = "|".join(f"({_spelled(live)})" for live in lives)
    text, replaced = re.subn(
        rf"(?<![\w.-])(?:{groups})(?=$|[/\s\"',;:?&#|)\]}}])",
        lambda found: _like(found[0], copied[lives[(found.lastindex or 1) - 1]]),
        text,
    )
    return text if replaced or not text.startswith("/") else _with_resolved_path(text, lives, copied)


def _with_resolved_path(path: str, lives: Iterable[str], copied: Mapping[str, str]) -> str:
    """A path that is written another way: with `..`, `//`, or over a symbolic link."""
    resolved = os.path.realpath(path)
    for live in lives:
        there = os.path.realpath(live)
        if resolved == there or resolved.startswith(f"{there}/"):
            return copied[live] + resolved.removeprefix(there)
    return path


def _with_names(variable: str, text: str, lives: Iterable[str], copied: str) -> str:
    """The text with the name of a database replaced: the whole value, the path of an address, or a connection string's or JSON's."""
    whole = _ABOUT_A_DATABASE.search(variable) and not _ABOUT_ITS_SERVER.search(variable)
    if whole and text in lives:
        return copied
    name = "|".join(_spelled(live) for live in lives)
    in_address = (
        rf"(?<![\w+.-])(?!(?:{_NO_DATABASE})://)[A-Za-z][\w+.-]*://[^\s/?#\"']*/(?P<path>{name})(?=$|[/?#;,&\s\"'])"
    )
    keyword = r"(?<![A-Za-z])(?i:db_?name|database(?:_?name)?|initial catalog|db)|\"NAME\"|'NAME'"
    in_string = rf"(?:{keyword})[\"']?\s*[=:]\s*[\"']?(?P<named>{name})(?=$|[\s;,&\"'}}#])"

    def replaced(found: re.Match[str]) -> str:
        group = found["path"] or found["named"]
        return found[0].removesuffix(group) + _like(group, copied)

    return re.sub(f"{in_address}|{in_string}", replaced, text)


def _spelled(text: str) -> str:
    """A regular expression for a name, any of whose letters may be percent-encoded."""
    return "".join(f"(?:{re.escape(one)}|(?i:{_encoded(one)}))" for one in text)


def _encoded(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))


def _like(live: str, copied: str) -> str:
    """The copy's name, percent-encoded if the live one was."""
    return quote(copied, safe="/") if "%" in live else copied
