"""What a restore reports if the EDMS's own connection does not have the functions or collations that its schema uses."""

from __future__ import annotations

import re

from edms_tasks.errors import CheckFailed

_COLLATION = re.compile(r"no such collation sequence: (\S+)", re.IGNORECASE)


def note_of_unknown(problem: str, *, is_computed: bool, where: str) -> str:
    """A note on what is left to do, if only the order of an index is affected.

    Args:
        problem: the message of the EDMS's connection.
        is_computed: whether the EDMS's functions compute entries of an index.
        where: the database.

    Raises:
        CheckFailed: entries of an index are or may be missing.
    """
    collations = sorted(set(_COLLATION.findall(problem)))
    if collations and not is_computed:
        return (
            f"The EDMS's own connection does not have the collation {', '.join(collations)} either. Indexes that use it are sorted "
            "by bytes. Run REINDEX with a program that has it before anything uses these indexes."
        )
    raise CheckFailed(
        "The EDMS could not build indexes that need its own functions or collations.",
        where=where,
        why=problem[-1000:],
        fix="The live system is untouched. Let the EDMS's code register them on every connection, as it did when the snapshot was made.",
    )
