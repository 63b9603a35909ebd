"""A deployment's entry points: all there, and none loaded that is not asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows import prefect_flows

_DEPLOYMENTS = Path(__file__).resolve().parent.parent.parent / "deployments" / "prefect.yaml"
_ENTRY_POINTS = sorted(set(re.findall(r"entrypoint: flows\.prefect_flows\.(\w+)", _DEPLOYMENTS.read_text())))


@pytest.mark.parametrize("name", sorted({*_ENTRY_POINTS, *dir(prefect_flows)}))
def test_every_entry_point_is_a_flow_of_prefect(name: str) -> None:
    import prefect

    flow = getattr(prefect_flows, name)

    assert isinstance(flow, prefect.Flow)
    assert flow.name.startswith("edms-")


def test_a_run_loads_its_own_verb_only() -> None:
    program = "import sys; from flows.prefect_flows import backup; print('flows.merge' in sys.modules, backup.name)"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["False", "edms-backup"]
