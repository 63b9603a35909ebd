"""The doctor: examines an EDMS before its first backup, on its real rows, and says how to fix what it finds.

One file for each kind of check: `key_checks.py`, `natural_key_methods.py`, `orphaned_references.py`,
`undeclared_references.py`, `file_checks.py`, `secrets.py`, `migration_checks.py`; `examination.py` runs them all. Everything is
set-based, over rows that were read into a workspace; suspicions (of a reference, a path, a secret) are checked on samples and
reported as suspicions.
"""

from __future__ import annotations

from edms_tasks.doctor.assessment import (
    SEVERITIES,
    Assessment,
    Diagnosis,
    Fix,
    Group,
    KeyVerdict,
    SettingsFix,
    grouped,
    settings_text,
)
from edms_tasks.doctor.examination import Subject, examine
from edms_tasks.doctor.root_listing import WalkedRoot, walk_root, walked_files
from edms_tasks.doctor.settings_suggestions import Suggestion, suggested

__all__ = [
    "SEVERITIES",
    "Assessment",
    "Diagnosis",
    "Fix",
    "Group",
    "KeyVerdict",
    "SettingsFix",
    "Subject",
    "Suggestion",
    "WalkedRoot",
    "examine",
    "grouped",
    "settings_text",
    "suggested",
    "walk_root",
    "walked_files",
]
