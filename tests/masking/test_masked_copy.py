"""A masked copy: pseudonyms that fit together, everything else as it was, and none of the originals anywhere."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import CheckFailed
from flows.restoring.restore_result import RestoreResult
from tests.direct_access import query
from tests.masking.people_tables import MAILS, NAMES, RULES, add_people
from tests.one_per_engine import OnePerEngine
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@dataclass(frozen=True)
class Masked:
    """A system with people, and a masked copy of its snapshot."""

    protected: Protected
    result: RestoreResult
    copy: ReferenceEdms
    files: Path

    @property
    def live(self) -> ReferenceEdms:
        return self.protected.edms


def _masked(engine: Engine, factory: ReferenceEdmsFactory, folder: Path) -> Masked:
    edms = factory(engine, documents=3, seed=1)
    add_people(edms)
    protected = protect(edms, folder)
    protected.backup()
    result, copy = _restore(protected, folder, RULES, "masked")
    return Masked(protected, result, copy, folder / "files-masked")


def _restore(protected: Protected, folder: Path, rules: str, name: str) -> tuple[RestoreResult, ReferenceEdms]:
    edms = protected.edms
    path = folder / f"{name}.toml"
    path.write_text(rules, encoding="utf-8")
    if edms.engine == "sqlite":
        into, url = str(folder / f"{name}.sqlite3"), f"sqlite:///{folder / f'{name}.sqlite3'}"
    else:
        into = f"{edms.database_name}_{name}"
        url = edms.database_url.replace(edms.database_name, into)
    result = protected.restore(into=into, into_files=folder / f"files-{name}", mask=path)
    return result, replace(edms, database_url=url)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Iterator[OnePerEngine[Masked]]:
    yield OnePerEngine("masked", _masked, tmp_path_factory, _edms_templates)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def made(request: pytest.FixtureRequest, masked: OnePerEngine[Masked]) -> Masked:
    return masked(request.param)


def _dump(edms: ReferenceEdms) -> str:
    """The whole database as text, by the engine's own means."""
    if edms.engine == "sqlite":
        with closing(sqlite3.connect(edms.database_path)) as connection:
            return "\n".join(connection.iterdump()) + edms.database_path.read_bytes().decode("utf-8", "replace")
    return subprocess.run(["pg_dump", "--dbname", edms.database_url], check=True, capture_output=True, text=True).stdout


def test_no_original_value_is_left_anywhere(made: Masked) -> None:
    live, copy = _dump(made.live).lower(), _dump(made.copy).lower()
    people = query(made.live, "SELECT username, first_name, last_name, email, employee_id FROM users_user")
    originals = {str(value).lower() for row in people for value in row if len(str(value)) >= 5}
    originals -= {"admin", "system", "administrator"}  # names of roles, tables and permissions, too
    originals |= {word.lower() for name in NAMES for word in name.split()} | set(MAILS)
    originals |= {"5551234", "1970-03-04", "6b1f0c9e", "calls on mondays"}
    assert all(value in live for value in originals)

    assert [value for value in sorted(originals) if value in copy] == []
    assert made.result.masking is not None and made.result.masking.values > len(originals)


def test_everything_else_equals_the_live_system(made: Masked) -> None:
    assert made.result.verdict == "masked" and made.result.success, made.result.failures
    for statement in (
        "SELECT * FROM documents_document ORDER BY id",
        "SELECT * FROM documents_documentcomment ORDER BY id",
        "SELECT * FROM users_userrole ORDER BY id",
        "SELECT id, last_login, is_active, manager_id, date_joined FROM users_user ORDER BY id",
        "SELECT id, timestamp, user_id, action, object_id FROM audit_audittrail ORDER BY id",
        "SELECT id, copied, amount FROM mail_log ORDER BY id",
    ):
        assert query(made.copy, statement) == query(made.live, statement)
    assert query(made.copy, "SELECT count(*) FROM audit_systemevent") == [(0,)]


def test_equal_values_have_equal_pseudonyms_and_references_hold(made: Masked) -> None:
    pairs = "SELECT count(*), count(DISTINCT u.username) FROM audit_audittrail a JOIN users_user u ON u.username = a.username"
    assert query(made.copy, pairs) == query(made.live, pairs)
    joined = "SELECT l.id, c.id FROM mail_log l JOIN contact c ON c.mail = l.mail ORDER BY 1"
    assert query(made.copy, joined) == query(made.live, joined) == [(1, 1), (2, 3)]
    names = "SELECT c.id FROM loose_people p JOIN contact c ON c.name = p.name AND c.born = p.born"
    assert query(made.copy, names) == query(made.live, names) == [(1,)]
    (document, mail), *_ = query(made.copy, "SELECT doc, mail FROM contact WHERE id = 1")
    document = json.loads(document) if isinstance(document, str) else document
    assert document == {"owner": {"mail": mail}, "n": 1}
    assert mail.endswith("@masked.invalid")


def test_pseudonyms_have_the_form_of_what_they_replace(made: Masked) -> None:
    rows = query(made.copy, "SELECT name, phone, born, card, note, mail FROM contact ORDER BY id")
    first, second, third = rows
    assert len(first[0].split()) == 2 and first[1].startswith("+") and len(first[1]) == len("+49 170 5551234")
    moved = date.fromisoformat(str(first[2])) - date(1970, 3, 4)
    assert 1 <= abs(moved.days) <= 400
    assert [len(part) for part in str(first[3]).split("-")] == [8, 4, 4, 4, 12]
    assert len(first[4]) == len("Calls on Mondays, at 10") and first[4][16:18] == ", "
    assert second[1:5] == (None, None, None, "") and third[1] == ""
    assert len({row[5] for row in rows}) == 3
    salaries = query(made.copy, "SELECT salary FROM loose_people ORDER BY salary")
    assert sorted(len(str(salary)) for (salary,) in salaries if salary is not None) == [1, 5]


def test_a_column_of_which_only_null_is_left_and_names_with_quotes_are_proved_too(made: Masked) -> None:
    (empty, grete) = sorted(query(made.copy, 'SELECT * FROM "odd ""table"'), key=lambda row: len(row[0]))
    assert empty[0] == "" and len(grete[0].split()) == 2 and grete[1] is None
    assert (grete[2], grete[4]) == ("a", "5") and len(grete[3]) == 10 and empty[3] is None


def test_nobody_can_log_in_with_a_password_of_the_live_system(made: Masked) -> None:
    passwords = query(made.copy, "SELECT password FROM users_user")
    assert passwords and all(password.startswith("!") for (password,) in passwords)


def test_files_are_placeholders_of_their_type(made: Masked) -> None:
    live = {path.relative_to(made.live.media) for path in made.live.media.rglob("*") if path.is_file()}
    root = made.files / "media"
    copied = {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert copied.keys() == live
    for path, content in copied.items():
        assert content == b"" or content != (made.live.media / path).read_bytes()
        assert path.suffix.lower() != ".pdf" or content.startswith(b"%PDF-")
    assert made.result.masking is not None and "placeholders" in made.result.masking.files["media"]


def test_the_report_says_what_is_masked_and_never_that_it_is_proved(made: Masked) -> None:
    page = made.result.report_html.read_text(encoding="utf-8")
    assert "contact.mail: email" in page and "mail_log.mail: email" in page and "MASKED" in page
    assert "PROVED" not in page
    facts = json.loads(made.result.report_json.read_bytes())
    assert facts["verdict"] == "masked" and facts["masking"]["hits"] == []
    assert "loose_people.name" not in str(facts["masking"]["warnings"])
    log = made.protected.repository / "log"
    assert '"masked"' in "".join(path.read_text() for path in sorted(log.rglob("*")) if path.is_file())
    everything = page + made.result.report_json.read_text(encoding="utf-8")
    assert not [value for value in (*NAMES, *MAILS) if value in everything]


def test_a_column_that_was_forgotten_stops_the_copy(made: Masked, tmp_path: Path) -> None:
    rules = RULES.replace('"audit.AuditTrail.username" = "hash"\n', "").replace('"loose_people.name" = "name"\n', "")
    rules = rules.replace('"loose_people.born" = { kind = "shift", days = 400, by = "name" }\n', "")
    result, copy = _restore(made.protected, tmp_path, rules, "forgotten")

    assert result.verdict == "failed" and not result.success
    hits = {hit.where: hit.rows for hit in result.masking.hits} if result.masking else {}
    named = query(made.live, "SELECT count(*) FROM audit_audittrail WHERE username NOT IN ('', 'admin')")
    assert hits == {"audit.AuditTrail.username": named[0][0], "loose_people.name": 1}
    assert not [value for value in (*NAMES, *MAILS) if value in str(result.as_json())]
    if copy.engine == "sqlite":
        assert not copy.database_path.exists()
    else:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(copy.database_url)


@pytest.mark.long
def test_a_refused_pseudonym_shows_no_row(masked: OnePerEngine[Masked], tmp_path: Path) -> None:
    rules = RULES.replace('"contact.phone" = "phone"', '"contact.phone" = "hash"')
    with pytest.raises(CheckFailed, match="refused rows of contact") as refused:
        _restore(masked("postgresql").protected, tmp_path, rules, "refused")
    assert "contact_phone_check" in refused.value.why
    assert not [value for value in (*NAMES, "Mondays") if value in str(refused.value)]
