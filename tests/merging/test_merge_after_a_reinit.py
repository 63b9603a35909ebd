"""The reinit cycle with a merge: the target has defaults under other ids and rows of its own, and everything is there after it."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.merging.planning import MergePlan
from flows.merge import MergeResult
from tests.backed_up import KeptSystem
from tests.direct_access import execute, query
from tests.independent_comparison import differences, picture
from tests.merging.django_contents import contents_by_django
from tests.office_work import NEW_AND_OLD_DOCUMENTS, inside
from tests.reference_system import EdmsTemplates, Engine, LazyPostgres, ReferenceEdms
from tests.running import Protected, protect, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")

# In bulk, as an import writes them: signals would write audit rows, whose numbers are the snapshot's already.
_OWN_DOCUMENTS = """
import pathlib
from django.conf import settings
from documents.models import Document, DocumentSource, DocumentType
from users.models import User
admin = User.objects.order_by("pk").first()
User.objects.bulk_create([User(username="own", employee_id="OWN-1", first_name="Own")])
own = User.objects.get(username="own")
pathlib.Path(settings.MEDIA_ROOT, "own.txt").write_text("only in the target")
Document.objects.bulk_create(
    Document(
        number=f"OWN-{number}", title=f"Made after the reinit {number}", author=admin if number == 1 else own,
        document_type=DocumentType.objects.order_by("pk").last(), source=DocumentSource.objects.order_by("pk").first(),
        file="own.txt",
    )
    for number in (1, 2)
)
for document in Document.objects.filter(number__startswith="OWN-"):
    document.reviewers.add(own)
"""
_PASSWORD = "UPDATE users_user SET password = '{}' WHERE is_superuser"
_SIGNATURES_HOLD = """
signatures = ElectronicSignature.objects.exclude(document__file__endswith="lost.pdf")
assert signatures.count() > 5 and all(signature_is_valid(signature) for signature in signatures)
"""


@dataclass(frozen=True)
class Cycle:
    """A system that was backed up, re-initialised and given documents of its own."""

    edms: ReferenceEdms
    protected: Protected
    snapshot: str
    was: Counter[tuple[str, str]]
    files: dict[str, Any]

    def merge(self, snapshot: str = "", **options: Any) -> MergeResult:
        return run_merge(self.protected.settings, snapshot=snapshot or self.snapshot, **options)

    def password(self) -> str:
        ((found,),) = query(self.edms, "SELECT password FROM users_user WHERE is_superuser")
        return str(found)


def cycle(edms: ReferenceEdms, folder: Path) -> Cycle:
    protected = protect(edms, folder)
    execute(edms, _PASSWORD.format("of the snapshot"))
    was, files = contents_by_django(edms), dict(picture(edms)["files"])  # type: ignore[call-overload]
    snapshot = protected.backup().snapshot_id
    edms.manage("reinit", "--offset-ids", "--yes")
    edms.manage("shell", "-c", _OWN_DOCUMENTS)
    execute(edms, _PASSWORD.format("of the target"))
    return Cycle(edms, protected, snapshot, was, files)


@dataclass(frozen=True)
class Kept:
    """A cycle that each test gets as it was made."""

    cycle: Cycle
    state: KeptSystem


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def kept(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _edms_templates: EdmsTemplates,
    _lazy_postgres: LazyPostgres,
) -> Kept:
    folder, engine = tmp_path_factory.mktemp("cycle"), request.param
    template = _edms_templates.get(engine, 20, 1)
    edms = _edms_templates.copy(template, folder / "edms", f"cycle_{secrets.token_hex(3)}")
    made = cycle(edms, folder / "protected")
    return Kept(made, KeptSystem(made.protected, _lazy_postgres))


@pytest.fixture
def made(kept: Kept) -> Cycle:
    """The cycle, up to the merge."""
    kept.state.put_back()
    return kept.cycle


def test_a_merge_keeps_all_rows_and_references_of_both(made: Cycle) -> None:
    own, own_files = contents_by_django(made.edms), picture(made.edms)["files"]
    before = picture(made.edms)

    planned = made.merge(dry_run=True)
    assert differences(before, picture(made.edms)) == []  # a plan writes nothing
    result = made.merge()

    assert result.plan.conflicts == ()
    assert result.done
    assert counts(result.plan) == counts(planned.plan)  # what the plan said is what was done
    now = contents_by_django(made.edms)
    assert made.was - now == Counter()  # whatever the snapshot said, the merged system says
    mine = now - made.was
    assert mine <= own  # and besides only what the target said already
    titles = [text for model, text in mine if model == "documents.Document"]
    assert len(titles) == 2
    assert all("Made after the reinit" in title for title in titles)
    assert picture(made.edms)["files"] == {**made.files, "own.txt": own_files["own.txt"]}  # type: ignore[index]
    assert made.password() == "of the snapshot"
    made.edms.manage("verify_audit")

    # People go on working in it, and what they signed before holds.
    inside(made.edms, NEW_AND_OLD_DOCUMENTS + _SIGNATURES_HOLD)
    assert "intact" in made.edms.manage("verify_audit").stdout


@pytest.mark.long  # of smaller systems, the same is asked in test_declared_keys
def test_a_second_merge_writes_nothing(made: Cycle) -> None:
    assert made.merge().done
    merged = picture(made.edms)

    # The newest snapshot is the one that the merge made first; merging that would undo it.
    again = made.merge("latest")

    assert (again.plan.snapshot_id, again.plan.writes) == (made.snapshot, 0)
    assert differences(merged, picture(made.edms)) == []


@pytest.mark.long  # of smaller systems in test_ids_in_primary_keys
def test_the_policy_keep_leaves_differing_rows_as_the_target_has_them(made: Cycle) -> None:
    result = made.merge(models={"users.User": "keep"})

    assert result.done
    assert made.password() == "of the target"
    users = next(model for model in result.plan.models if model.model == "users.User")
    assert (users.update, users.keep) == (0, 1)
    assert users.columns.keys() >= {"password"}


@pytest.mark.long
def test_the_policy_fail_and_numbers_used_on_both_sides_are_conflicts_and_nothing_is_written(made: Cycle) -> None:
    # Audit rows are numbered one after the other, in the snapshot and in the target.
    made.edms.manage("shell", "-c", "from users.models import Role; Role.objects.create(name='Audited')")
    before = picture(made.edms)

    result = made.merge(models={"users.User": "fail"})

    assert (result.done, result.success) == (False, False)
    (users,) = [conflict for conflict in result.plan.conflicts if conflict.model == "users.User"]
    assert (users.code, users.count) == ("differs", 1)
    (audit,) = [conflict for conflict in result.plan.conflicts if conflict.model == "audit.AuditTrail"]
    assert (audit.code, "sequence" in audit.message) == ("unique", True)
    assert differences(before, picture(made.edms)) == []


@pytest.mark.long  # each of the two alone; beside the other above
def test_the_policy_fail_makes_differing_rows_a_conflict(made: Cycle) -> None:
    before = picture(made.edms)

    result = made.merge(models={"users.User": "fail"})

    assert (result.done, result.success) == (False, False)
    assert [(conflict.code, conflict.model, conflict.count) for conflict in result.plan.conflicts] == [
        ("differs", "users.User", 1)
    ]
    assert differences(before, picture(made.edms)) == []


def counts(plan: MergePlan) -> dict[str, tuple[int, ...]]:
    rows: dict[str, tuple[int, ...]] = {
        model.model: (model.insert, model.update, model.keep, model.same) for model in plan.models
    }
    return rows | {f"files of {root.root}": (root.add, root.replace, root.keep, root.same) for root in plan.files}
