"""The reinit cycle with a merge: the target has defaults under other ids and rows of its own, and everything is there after it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from flows.direct_steps import DirectSteps
from flows.merge import MergeResult, compose_merge
from tests.independent_comparison import differences, picture
from tests.merging.said_by_django import said
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

pytestmark = pytest.mark.slow

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")

# In bulk, as an import writes them: signals would write audit rows, whose numbers are the snapshot's already.
_OWN_DOCUMENTS = """
from documents.models import Document, DocumentSource, DocumentType
from users.models import User
admin = User.objects.order_by("pk").first()
(own,) = User.objects.bulk_create([User(username="own", employee_id="OWN-1", first_name="Own")])
own = User.objects.get(username="own")
made = Document.objects.bulk_create(
    Document(
        number=f"OWN-{number}", title=f"Made after the reinit {number}", author=admin if number == 1 else own,
        document_type=DocumentType.objects.order_by("pk").last(), source=DocumentSource.objects.order_by("pk").first(),
    )
    for number in (1, 2)
)
for document in Document.objects.filter(number__startswith="OWN-"):
    document.reviewers.add(own)
"""


def merge(protected: Protected, snapshot: str = "latest", **options: object) -> MergeResult:
    return compose_merge(protected.settings, DirectSteps(), snapshot=snapshot, **options)  # type: ignore[arg-type]


def reinitialised_with_own_documents(edms: ReferenceEdms) -> None:
    edms.manage("reinit", "--offset-ids", "--yes")
    edms.manage("shell", "-c", _OWN_DOCUMENTS)


@pytest.mark.parametrize("engine", ENGINES)
def test_everything_of_the_snapshot_and_of_the_target_is_there_and_points_where_it_did(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    edms = edms_factory(engine, documents=20)
    protected = protect(edms, tmp_path)
    was = said(edms)
    snapshot = protected.backup(tag="mine").snapshot_id
    reinitialised_with_own_documents(edms)
    own = said(edms)

    result = merge(protected, snapshot)

    assert result.plan.conflicts == ()
    assert result.done
    now = said(edms)
    assert was - now == Counter()  # whatever the snapshot said, the merged system says
    mine = now - was
    assert mine <= own  # and besides only what the target said already
    titles = [text for model, text in mine if model == "documents.Document"]
    assert len(titles) == 2 and all("Made after the reinit" in title for title in titles)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_merge_changes_nothing(engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory(engine, documents=20)
    protected = protect(edms, tmp_path)
    snapshot = protected.backup().snapshot_id
    reinitialised_with_own_documents(edms)
    merge(protected, snapshot)
    merged = picture(edms)

    again = merge(protected, snapshot)

    assert again.plan.writes == 0
    assert differences(merged, picture(edms)) == []
