"""Are the tree of tags and the answers of paperless's sanity checker sound after a merge? Runs in paperless's Python.

python checks.py tree                               the counted columns of the tree of tags are what its parents say
python checks.py sanity SOURCE TARGET MERGED        of answers: the sanity checker finds what it found in both, no more
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import django

django.setup()

from documents.models import Tag  # noqa: E402


def main() -> int:
    """Do as the arguments say."""
    kind, *paths = sys.argv[1:]
    if kind == "sanity":
        return compare_sanity(*(json.loads(Path(path).read_text())["sanity"] for path in paths))
    torn = torn_trees()
    sys.stdout.writelines(f"{line}\n" for line in torn)
    sys.stdout.write(f"{Tag.objects.count()} tags: {len(torn)} wrong\n")
    return 1 if torn else 0


def torn_trees() -> list[str]:
    """Tags whose counted columns contradict their parents."""
    parents = dict(Tag.objects.values_list("pk", "tn_parent_id"))
    found = []
    for tag in Tag.objects.order_by("pk"):
        above, parent = [], tag.tn_parent_id
        while parent is not None:
            above.insert(0, parent)
            parent = parents[parent]
        below = sorted(pk for pk, parent in parents.items() if parent == tag.pk)
        for name, counted, true in (
            ("ancestors", tag.tn_ancestors_pks, above),
            ("children", tag.tn_children_pks, below),
        ):
            if sorted(int(pk) for pk in counted.split(",") if pk) != sorted(true):
                found.append(f"the tree of tags is torn at {tag.name}: {name} are {counted!r}, and should be {true}")
    return found


def compare_sanity(source: dict[str, Any], target: dict[str, Any], merged: dict[str, Any]) -> int:
    """By what is said, as documents have other numbers now."""
    told = [
        Counter(text.split(": ")[0] for texts in one.values() for text in texts) for one in (source, target, merged)
    ]
    if told[0] + told[1] == told[2]:
        sys.stdout.write(f"the sanity checker says what it said in both: {sum(told[2].values())} messages\n")
        return 0
    sys.stdout.write(f"the sanity checker said {dict(told[0])} and {dict(told[1])}, and now says {dict(told[2])}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
