"""A salvage in the recovery report: never a success, whole and partial apart, everything lost by name, nothing unescaped."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.salvage import Dangling, FilesLoss, FilesOfLostRows, Losses, LostChunk, LostObject, TableLoss
from tests.expectations.small_edms import states
from tests.report.test_recovery_report import HOSTILE, written

OBJECT = LostObject("ab" * 32, "It is missing.")
LOSSES = Losses(
    tables=(
        TableLoss("doc", "documents.Document", 4, 3, (LostChunk(2, 3, 1, 2, OBJECT, "id probably above 2"),)),
        TableLoss("audit", "audit.AuditTrail", 6, 0, (), "its chunks do not add up."),
    ),
    files=(FilesLoss("media", 9, 5, 1, (HOSTILE,), (LostObject("cd" * 32, "It is missing."),), (OBJECT,)),),
    dangling=(Dangling("documents.Version", "document_id", "foreign", 2, ('["SOP-1"]', HOSTILE)),),
    named_files=(FilesOfLostRows("media", "thumbnails/{pk}.png", 7),),
    lists={"dangling.csv": 2},
)


def test_losses_come_before_what_was_restored(tmp_path: Path) -> None:
    found = states(doc={"rows": 3, "fingerprint": "0" * 32})

    page, machine = written(tmp_path, verdict="salvaged", states=found, losses=LOSSES)

    body = page[page.index("<body>") :]
    assert body.index("SALVAGED.") < body.index("What is lost") < body.index("What was restored")
    assert 'class="verdict failed"' in body and "PROVED" not in body and "This is not a complete restore." in body
    for text in ("row 2", "chunk 2 of 3", "id probably above 2", OBJECT.sha256, "its chunks do not add up.",
                 "3 without a name", "thumbnails/{pk}.png", "dangling.csv"):  # fmt: skip
        assert text in body, text
    assert HOSTILE not in page
    conditions = {model["model"]: model["condition"] for model in machine["losses"]["models"]}
    assert (conditions["documents.Document"], conditions["audit.AuditTrail"]) == ("partial", "lost")
    assert conditions["documents.Version"] == "whole"
    assert (machine["verdict"], machine["losses"]["files_lost"]) == ("salvaged", 4)


def test_a_table_that_lost_nothing_and_has_another_digest_is_not_called_whole(tmp_path: Path) -> None:
    page, machine = written(tmp_path, verdict="failed", states=states(select={"fingerprint": "0" * 32}), losses=LOSSES)

    conditions = {model["model"]: model["condition"] for model in machine["losses"]["models"]}
    assert conditions["documents.Version"] == "differs"
    assert "✗ differs" in page


def test_without_losses_the_report_has_no_room_for_them(tmp_path: Path) -> None:
    page, machine = written(tmp_path)

    assert machine["losses"] is None and "What is lost" not in page
