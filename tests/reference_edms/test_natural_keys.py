"""The natural keys are good enough for Django's own dump and load to carry the rows elsewhere."""

from __future__ import annotations

import json
import re

import pytest

from tests.reference_edms.conftest import Edms

# Without the rows that have generic references or no natural key: those it loses.
MODELS = (
    "users",
    "documents",
    "workflows",
    "security",
    "placeholders",
)
OPTIONS = ("--natural-foreign", "--natural-primary", "--indent", "0")


def _dump(edms: Edms, name: str) -> list[str]:
    path = edms.folder / name
    edms.run("dumpdata", *MODELS, *OPTIONS, "--output", str(path))
    return sorted(_without_order(row) for row in json.loads(path.read_text(encoding="utf-8")))


def _without_order(row: dict[str, object]) -> str:
    # Links of a many-to-many have no order; a dump lists them as they come.
    fields = row["fields"]
    assert isinstance(fields, dict)
    for name in ("reviewers", "document_types", "groups", "user_permissions"):
        if name in fields:
            fields[name] = sorted(fields[name])
    # Django cuts microseconds to `.000` on the first dump and drops the zeros on the second.
    return re.sub(r"(:\d\d)\.000(?=Z|\")", r"\1", json.dumps(row, sort_keys=True))


@pytest.mark.long
def test_dump_and_load_carry_every_row_to_other_ids(populated_edms: Edms, second_edms: Edms) -> None:
    before = _dump(populated_edms, "before.json")
    second_edms.run("loaddata", str(populated_edms.folder / "before.json"))

    assert _dump(second_edms, "after.json") == before
    assert second_edms.rows("SELECT count(*) FROM audit_audittrail") == [(0,)], "signals must ignore raw"


def test_every_natural_key_finds_its_row(populated_edms: Edms) -> None:
    populated_edms.python(
        """
from django.apps import apps
checked = 0
for model in apps.get_models():
    if not hasattr(model, "natural_key") or model._meta.app_label in ("auth", "contenttypes"):
        continue
    rows = list(model._default_manager.all()[:40])
    for row in rows:
        assert model._default_manager.get_by_natural_key(*row.natural_key()) == row, row
    checked += bool(rows)
assert checked == 19, checked
"""
    )
