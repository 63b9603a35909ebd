"""The environment of what works with a restored copy: variables that name the live database or a live folder name the copy's.

A process that an acceptance command starts reads its settings anew, from these variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_OF_THE_SYSTEM = re.compile(
    r"PATH|HOME|PWD|OLDPWD|TMPDIR|USER|LOGNAME|SHELL|LANG|TZ|VIRTUAL_ENV|.*_PATH|PYTHON.*|LC_.*|XDG_.*"
)

_OF_A_DATABASE = re.compile(r"(DATABASE|DB)(_?NAME)?$", re.IGNORECASE)
"""Variables whose whole value may be a database's name; users, passwords and hosts are often called the same."""


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
    changed = {}
    for name, value in variables.items():
        if _OF_THE_SYSTEM.fullmatch(name):
            continue
        new = value
        # The longest first: a folder may be inside another.
        for live, copied in sorted(folders, key=lambda pair: -len(pair[0])):
            new = _with_path(new, live, copied)
        for live in databases:
            if live.startswith("/"):
                new = _with_path(new, live, database)
            elif new == live and _OF_A_DATABASE.search(name):
                new = database
            else:
                new = _with_name(new, live, database)
        if new != value:
            changed[name] = new
    return changed


def _with_path(text: str, live: str, copied: str) -> str:
    """The text with a path, or what is below it, replaced; what only begins with the same letters stays."""
    if len(live.strip("/")) < 2:
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(live.rstrip('/'))}(?=$|[/\s\"',;:?&#])", lambda _: copied, text)


def _with_name(text: str, live: str, copied: str) -> str:
    """The text with the name of a database replaced, where it is the path of a URL, or `dbname` of a connection string."""
    if "://" in text:
        try:
            path = urlsplit(text).path
        except ValueError:
            return text
        return re.sub(rf"(?<=/){re.escape(live)}(?=$|[?#])", lambda _: copied, text) if path == f"/{live}" else text
    return re.sub(rf"(?<=\bdbname=){re.escape(live)}(?=$|\s)", lambda _: copied, text)
