"""What docs/versioning.md promises is still there: nothing that a script, a schedule or a settings file uses is taken away."""

from __future__ import annotations

import json

import pytest

from tests.release.promised import RECORD, promised

KEPT: dict[str, list[str]] = json.loads(RECORD.read_bytes())


@pytest.mark.parametrize("of", KEPT)
def test_nothing_that_was_promised_is_taken_away(of: str) -> None:
    # New ones may come. What is renamed keeps its former name.
    assert set(KEPT[of]) - set(promised()[of]) == set()


def test_the_record_is_of_what_people_use() -> None:
    assert {of: names for of, names in KEPT.items() if len(names) < 40} == {}
    assert {"restore --yes", "key rotate", "--config"} <= set(KEPT["commands and options"])
    assert "repository.url" in KEPT["settings"]
    assert "RestoreRequest.snapshot" in KEPT["parameters of flows"]
