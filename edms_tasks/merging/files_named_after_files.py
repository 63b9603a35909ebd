"""Find files that no row names and that are named after a file which gets another name: `a.pdf.json` and `thumbs/a.png` of `a.pdf`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.declared_without_ids import Accepted

_EXAMPLES = 3


def named_after_files(
    root: str, ownerless: Sequence[str], renames: Mapping[str, str], accepted: Accepted
) -> list[Conflict]:
    """The conflict of such files: they would stand beside the target's file of that name, as if they belonged to it.

    Args:
        root: the folder.
        ownerless: files to be added that belong to no row.
        renames: name -> new name, of files that rows name.
        accepted: what the user accepts as it is.
    """
    named = {_folder(name) + one: name for name in renames for one in (_base(name), _stem(_base(name)))}
    anywhere = {one.rpartition("/")[2]: name for one, name in named.items()}
    found = {
        name: first
        for name in ownerless
        if (first := next(_first(name, named, anywhere), None)) and not accepted.file(root, name)
    }
    if not found:
        return []
    name, first = min(found.items())
    return [
        make_conflict(
            "file-named-after-another",
            f"files of {root}",
            f"Files that no row names are named after files that get another name, such as {name!r} after {first!r}, which becomes "
            f"{renames[first]!r}. The target has another file of that name: they would seem to belong to it.",
            count=len(found),
            examples=tuple(sorted(found)[:_EXAMPLES]),
            fix="Give the target's files other names in the EDMS first. If these files do not belong to the others: "
            f"--not-a-reference '{root}:PATTERN', such as '{root}:{name}'.",
        )
    ]


def _first(name: str, named: Mapping[str, str], anywhere: Mapping[str, str]) -> Iterator[str]:
    """The renamed file that a file is named after: beside it by any beginning, in other folders by a whole part before a dot."""
    base = _base(name)
    for place in (*(found.start() for found in re.finditer(r"[._-]", base)), len(base)):
        part = base[:place]
        if part and _folder(name) + part in named and name != named[_folder(name) + part]:
            yield named[_folder(name) + part]
        if part in anywhere and (place == len(base) or base[place] == "."):
            yield anywhere[part]


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _folder(name: str) -> str:
    return name[: len(name) - len(_base(name))]


def _stem(base: str) -> str:
    return base.rpartition(".")[0] or base
