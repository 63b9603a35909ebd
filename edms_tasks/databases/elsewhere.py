"""Databases that processes on other machines can read or load at the same time. An engine without a server has none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.protocol import View
from edms_tasks.manifest import TableEntry
from edms_tasks.settings import Settings

Opened_co = TypeVar("Opened_co", covariant=True)


class OpensElsewhere(Protocol[Opened_co]):
    """What another process needs to open the same; it can be pickled."""

    def opened(self) -> AbstractContextManager[Opened_co]:
        """Open it in this process. Raises DatabaseRefused."""


class Loader(Protocol):
    """A staging database as far as another process loads it."""

    address: DatabaseAddress

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """Load a table's chunks; returns the number of rows that the database reports as loaded."""


@runtime_checkable
class ReadElsewhere(Protocol):
    """A view that other machines can read."""

    def elsewhere(self) -> OpensElsewhere[View]:
        """The same state of the database, while this view is open."""


@runtime_checkable
class LoadedElsewhere(Protocol):
    """A staging database that other machines can load."""

    def elsewhere(self) -> OpensElsewhere[Loader]:
        """The same database."""

    def needs_this_process(self, entry: TableEntry) -> bool:
        """Whether only this object can load the table, because it must know of it when it finishes."""
        ...


def as_reached_from_here(address: DatabaseAddress, settings: Settings) -> DatabaseAddress:
    """An address of another machine with what this machine's `[edms] database_url` says of the server: host, login, password, options.

    Without it the address stays as it is, and libpq finds the password: PGPASSWORD or a password file.
    """
    if settings.edms.database_url is None:
        return address
    here = DatabaseAddress.from_url(settings.edms.database_url.get_secret_value())
    changes: dict[str, object] = {"options": tuple(sorted((dict(address.options) | dict(here.options)).items()))}
    if here.host:
        changes |= {"host": here.host, "port": here.port}
    if here.user:
        changes |= {"user": here.user, "password": here.password}
    return replace(address, **changes)  # type: ignore[arg-type]
