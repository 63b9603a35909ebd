"""The alarms for a Prefect server are ones that Prefect takes, and wait for events that runs send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from prefect.events.schemas.automations import AutomationCore
from ruamel.yaml import YAML

from edms_tasks.signal_settings import Level

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "deployments" / "automations.yaml").read_text(encoding="utf-8")


def test_prefect_takes_them_and_their_events_exist() -> None:
    known = YAML(typ="safe").load(TEXT.replace("BLOCK_ID", "00000000-0000-0000-0000-000000000000"))["automations"]
    verbs = {path.stem for path in (ROOT / "flows").glob("*.py")}

    made = [AutomationCore.model_validate(one) for one in known]

    assert len(made) == 5
    ours = re.findall(r"edms-backup\.(\w+)\.(\w+)", TEXT)
    assert {verb for verb, _ in ours} <= verbs
    assert {level for _, level in ours} <= set(get_args(Level))
