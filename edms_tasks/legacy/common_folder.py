"""The folder around an old backup, which whoever packed it again has put there."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def common_folder(names: Sequence[str], own: Collection[str]) -> str:
    """The folder that all members are below, with its slash; "" if there is none.

    Args:
        names: the members' names.
        own: names of folders that are parts of the backup themselves.

    Example:
        >>> common_folder(["old/monday/metadata.json", "old/monday/storage/a"], ["storage"])
        'old/monday/'
    """
    common = ""
    while names:
        tops = {name[len(common) :].partition("/")[:2] for name in names}
        top, slash = tops.pop()
        if tops or not slash or top in own:
            break
        common += f"{top}/"
    return common
