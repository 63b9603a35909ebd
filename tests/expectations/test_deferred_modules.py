"""Modules that Great Expectations imports and hardly ever uses are loaded at their first use, and are then what they are."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path

import great_expectations.expectations.core.expect_column_kl_divergence_to_be_less_than as divergence
import pytest

from expectations.deferred_modules import DeferredModule, defer


def test_great_expectations_is_loaded_without_scipys_statistics_and_can_compute_with_them() -> None:
    assert type(divergence.stats) is DeferredModule and type(divergence.alt) is DeferredModule

    assert divergence.stats.entropy([0.5, 0.5]) == pytest.approx(math.log(2))
    assert divergence.alt.Chart.__module__.startswith("altair.")


def test_a_deferred_module_is_the_real_one_to_everybody_after_its_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deferred_example").mkdir()
    (tmp_path / "deferred_example" / "__init__.py").write_text("loaded = True")
    (tmp_path / "deferred_example" / "part.py").write_text("value = 7")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("deferred_example", "deferred_example.part"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    defer("deferred_example", "no_such_module_at_all")
    first = importlib.import_module("deferred_example")
    looked_at = [getattr(first, name, None) for name in ("__file__", "__warningregistry__")]

    assert looked_at == [None, None] and "loaded" not in vars(first)
    assert first.loaded
    assert importlib.import_module("deferred_example.part").value == 7
    assert type(sys.modules["deferred_example"]) is not DeferredModule
    assert "no_such_module_at_all" not in sys.modules
