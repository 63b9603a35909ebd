"""The comment that marks a staging database: that it may be dropped, its target, and its settings after promotion."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from pydantic import ValidationError

from edms_tasks.databases.postgresql.properties import MARK, Closing
from edms_tasks.errors import TerminalError
from edms_tasks.json_text import parsed_json
from edms_tasks.quoting import identifier, literal


def mark(connection: psycopg.Connection[Any], name: str, target: str, closing: Closing | None = None) -> None:
    """Write the comment.

    Args:
        connection: a connection to the server.
        name: the database that we created.
        target: the database that it was created for.
        closing: the properties that its promotion sets.
    """
    written = {"target": target, "closing": (closing or Closing()).model_dump(mode="json")}
    text = f"{MARK} {json.dumps(written)}"
    connection.execute(f"COMMENT ON DATABASE {identifier(name)} IS {literal(text)}".encode())


def target_of(comment: str) -> str | None:
    """The database that a staging database with this comment was created for; None if the comment does not say."""
    try:
        target = parsed_json(comment.removeprefix(MARK))["target"]
    except (ValueError, KeyError, TypeError):
        return None
    return target if isinstance(target, str) else None


def closing_of(comment: object) -> Closing | None:
    """The properties after promotion, from a staging database's comment; None for other databases.

    Raises:
        TerminalError: somebody changed the comment.
    """
    if not isinstance(comment, str) or not comment.startswith(MARK):
        return None
    try:
        return Closing.model_validate(parsed_json(comment.removeprefix(MARK) or "{}").get("closing", {}))
    except (ValueError, AttributeError, ValidationError) as error:
        raise TerminalError(
            "The comment of the staging database was changed.",
            why=str(error).splitlines()[0],
            fix="Run the restore again. Nothing else may write to the staging database.",
        ) from error
