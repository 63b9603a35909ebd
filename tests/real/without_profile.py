"""Does a merge without a system's profile end in conflicts and errors that name what the profile declares?

    python -m tests.real.without_profile PROFILE --found CHECK --doctor DOCTOR --merge MERGE

PROFILE is the profile, as TOML; CHECK what `doctor --profile PROFILE --json` says of it, which tells the declarations that
have data; DOCTOR and MERGE what `doctor --json` and `merge --json` say without it. Of ids, a conflict of the merge must name
the column or the files, unless they are followed without the profile, which the doctor then says; of keys, the doctor must
name the model. Exit code 1: something is not named, and what is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

RIGHT = "right"


def main() -> int:
    """Go through the declarations one by one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("profile", type=Path)
    for name in ("found", "doctor", "merge"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    profile = tomllib.loads(options.profile.read_text())
    check, doctor, merge = (json.loads(path.read_text()) for path in (options.found, options.doctor, options.merge))
    conflicts = [json.dumps(one, ensure_ascii=False) for one in merge["plan"]["conflicts"]]
    findings = [json.dumps(one, ensure_ascii=False) for one in doctor["findings"]]
    missed, named = [], 0
    for declared in with_data(profile, check, "soft_references"):
        subject = subject_of(declared)
        if any(subject in text for text in conflicts) or is_followed(declared, doctor):
            named += 1
        else:
            missed.append(f"no conflict of the merge names {subject}: {declared}")
    for model in with_data(profile, check, "natural_keys"):
        if any(model in text for text in findings):
            named += 1
        else:
            missed.append(f"the doctor says nothing of {model}, whose rows have no key")
    sys.stdout.writelines(f"{line}\n" for line in missed)
    sys.stdout.write(f"{named} declarations with data are named, {len(missed)} are not; {len(conflicts)} conflicts\n")
    # A check that had nothing to check would say nothing.
    return 1 if missed or not named or not conflicts else 0


def with_data(profile: dict[str, Any], check: dict[str, Any], section: str) -> list[Any]:
    """The entries of a section that found rows or ids, in the order of the file."""
    verdicts = [line for line in check["lines"] if line["section"] == section]
    entries = list(profile.get(section, ()))
    if len(verdicts) != len(entries):
        sys.exit(f"{section} has {len(entries)} entries, and {len(verdicts)} were judged")
    wrong = [line["line"] for line in verdicts if line["verdict"] == "wrong"]
    if wrong:
        sys.exit(f"wrong lines in {section}: {wrong}")
    return [entry for entry, line in zip(entries, verdicts, strict=True) if line["verdict"] == RIGHT and line["count"]]


def subject_of(declared: dict[str, Any]) -> str:
    """What a conflict names: the column, or the folder and the beginning of the files' names."""
    if "files" in declared:
        return f"{declared['files']}:{str(declared['name']).partition('{')[0]}"
    return str(declared.get("column") or declared["object_id"])


def is_followed(declared: dict[str, Any], doctor: dict[str, Any]) -> bool:
    """Whether a content type and an id are taken for a reference although nothing declares it."""
    model, _, kind = str(declared.get("content_type", "")).rpartition(".")
    pair = f"{model}.{kind} + {str(declared.get('object_id', '')).rpartition('.')[2]}"
    return any(one["code"] == "generic-look-alike" and one["subject"] == pair for one in doctor["findings"])


if __name__ == "__main__":
    sys.exit(main())
