"""Check names from a manifest before they are used as names of files and folders."""

from __future__ import annotations

from edms_tasks.errors import DamagedRepository

_LONGEST = 200  # bytes; file systems allow 255, and suffixes are added


def plain_name(name: str) -> str:
    """The name, if it can be that of a single file or folder; otherwise raises DamagedRepository."""
    if why := why_not_plain(name):
        raise DamagedRepository(
            "A file root in the snapshot has an invalid name.",
            where=ascii(name)[:300],
            why=why,
            fix="edms-backup did not write this: somebody changed the repository. Restore another snapshot.",
        )
    return name


def why_not_plain(name: str) -> str:
    """Why a name cannot be that of a single file or folder; "" if it can."""
    if name in ("", ".", ".."):
        return "It does not name a folder."
    if any(one in "/\\" or ord(one) < 32 for one in name):
        return "It contains a separator or a control character."
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "It is not Unicode."
    return f"It is longer than {_LONGEST} bytes." if size > _LONGEST else ""
