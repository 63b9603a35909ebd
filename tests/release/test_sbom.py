"""The bill of materials names every library that an installation has, with the version and hashes of the lock file, and no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    subprocess.run([sys.executable, "-m", "release.sbom", str(made)], cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(made.read_bytes())
    return found


def test_it_is_of_this_project_in_the_format_it_says(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    described = bill["metadata"]["component"]
    assert (described["name"], described["version"]) == (PROJECT["name"], PROJECT["version"])


def test_every_declared_library_is_in_it_and_no_tool_of_development(bill: dict[str, Any]) -> None:
    extras = PROJECT["optional-dependencies"]
    declared = _names([*PROJECT["dependencies"], *extras["s3"], *extras["sftp"], *extras["pdf"]])
    # Markers that depend on the Python alone leave one out.
    if sys.version_info >= (3, 14):
        declared -= {"backports-zstd"}
    named = {one["name"] for one in bill["components"]}

    assert declared <= named
    assert not named & {"pytest", "mypy", "ruff", "hatchling", "editables", "moto", "sphinx", "swift"}


def test_each_library_has_the_version_and_the_hashes_of_the_lock_file(bill: dict[str, Any]) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for one in bill["components"]:
        entry = re.search(
            rf"^{one['name'].replace('-', '[-.]')}(?:\[.*\])?=={re.escape(one['version'])}(?=[ \\]).*?(?=^[a-z]|\Z)",
            lock,
            re.M | re.S,
        )
        assert entry is not None, one["name"]
        assert {hashed["content"] for hashed in one["hashes"]} == set(re.findall(r"sha256:([0-9a-f]{64})", entry[0]))
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"


def test_who_needs_whom_leads_from_the_project_to_every_library(bill: dict[str, Any]) -> None:
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    ahead, reached = [bill["metadata"]["component"]["bom-ref"]], set()
    while ahead:
        if (here := ahead.pop()) not in reached:
            reached.add(here)
            ahead += needs[here]

    assert reached == set(needs)
    assert len(reached) == len(bill["components"]) + 1


def _names(requirements: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=;! ]", one)[0]).lower() for one in requirements}
