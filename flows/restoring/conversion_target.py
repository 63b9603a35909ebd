"""`--into` as a URL: a database of another engine, on any server, or a file."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from pydantic import SecretStr

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import CommandError
from flows.requests import RestorePlanRequest, RestoreRequest


def engine_address(into: str | None) -> DatabaseAddress | None:
    """The database that a URL names; None if `into` is a plain name.

    A password that the URL leaves out is taken from PGPASSWORD.

    Raises:
        SettingsError: the URL is not understood.
        CommandError: it names no database.
    """
    if into is None or not re.match(r"[a-z][a-z0-9+]*://|sqlite:", into):
        return None
    address = DatabaseAddress.from_url(into)
    if not address.is_file and not address.name:
        raise CommandError(
            "The URL names no database.",
            where=address.display,
            fix="Write postgresql://user@host:port/name; the database need not exist.",
        )
    if not address.is_file and not address.password.get_secret_value():
        # The EDMS's process gets the password, too, on whatever machine it runs.
        return replace(address, password=SecretStr(os.environ.get("PGPASSWORD", "")))
    return address


def require_no_password(request: RestoreRequest | RestorePlanRequest) -> None:
    """Refuse a URL with a password, because Prefect records the parameters of its flows.

    Raises:
        CommandError: the URL holds a password.
    """
    into = request.into
    if into is not None and "://" in into and DatabaseAddress.from_url(into).password.get_secret_value():
        raise CommandError(
            "The URL holds a password, and Prefect records the parameters of a flow.",
            where="--into",
            fix="Leave it out of the URL and set PGPASSWORD where the flow runs; or run with --no-flow."
            " If it was typed into a Prefect form, it is now in Prefect's database: change it.",
        )
