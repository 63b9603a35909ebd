"""The owner in the schema of a throwaway database: the EDMS's role, in place of the role that is dropped with the database."""

from __future__ import annotations

import json
from dataclasses import replace

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.archive import read_archive
from edms_tasks.databases.postgresql.properties import KEY
from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.quoting import identifier

_STATEMENTS = ("definition", "drop")


def with_recorded_owner(address: DatabaseAddress, schema: CapturedSchema) -> CapturedSchema:
    """The schema with `recorded_owner` wherever it names the role of the address; unchanged for other databases.

    The name of a throwaway database's role is random, of letters and digits, so it is nothing else where it stands in a text.
    """
    if not address.recorded_owner:
        return schema
    ours, owner = address.user.encode(), address.recorded_owner
    archive = read_archive(schema.path)
    entries = []
    for entry in archive.entries:
        if entry.raw("owner") == ours:
            entry = entry.changed("owner", owner.encode())
        for part in _STATEMENTS:
            if ours in entry.raw(part):
                entry = entry.changed(part, entry.raw(part).replace(ours, identifier(owner).encode()))
        entries.append(entry)
    archive.write(schema.path, entries)
    settings = dict(schema.settings)
    for key in ("roles", KEY):
        named = owner if key == "roles" else json.dumps(owner, ensure_ascii=False)[1:-1]  # inside a text of JSON
        settings[key] = settings[key].replace(address.user, named)
    return replace(schema, settings=settings)
