"""After an erasure nothing that is written holds what was erased: copies, drills, reports, the other engine, after other keys too.

Every file is searched byte by byte, by code of the tests' own and by `age`'s own program (`byte_search.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.repository import Repository
from flows import keys
from flows.convert import convert
from flows.drill import drill
from flows.erasures import record
from flows.requests import ConvertRequest, DrillRequest
from flows.running.run import Run
from tests.byte_search import found_in
from tests.direct_access import execute, query
from tests.postgres_programs import find_bin_dir
from tests.postgres_server import PostgresServer
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("age") is None, reason="needs the program age"),
]
PERSON = ("Zephyrine", "Quackenbush", "zq.private@")
DOCUMENT = ("Pelargonium", "Rhododendron")  # in its title, in its file
COLUMNS = ("first_name=name", "last_name=name", "email=email")


class Erased:
    """A system of which a person's columns and a document were erased after a snapshot, and what is searched afterwards."""

    def __init__(self, protected: Protected, folder: Path) -> None:
        self.protected, self.folder = protected, folder
        edms = protected.edms
        ((self.document, file),) = query(
            edms,
            "SELECT id, file FROM documents_document WHERE file <> '' AND id NOT IN"
            " (SELECT depends_on_id FROM documents_documentdependency) AND id NOT IN"
            " (SELECT supersedes_id FROM documents_document WHERE supersedes_id IS NOT NULL) ORDER BY id DESC LIMIT 1",
        )
        execute(
            edms,
            "DELETE FROM security_electronicsignature",  # they protect their documents
            "UPDATE users_user SET first_name = 'Zephyrine', last_name = 'Quackenbush', email = 'zq.private@example.org',"
            " employee_id = 'ZQX-00777'"
            " WHERE username = 'user0002'",
            f"UPDATE documents_document SET title = 'Pelargonium' WHERE id = {self.document}",
            "UPDATE documents_document SET cost = 1 WHERE cost > 1000000000",  # SQLite holds fewer digits than the other engine
        )
        (edms.media / file).write_bytes(b"Rhododendron" * 100)
        self.old = folder / "old.json"
        self.old.write_text(edms.manage("dumpdata").stdout, encoding="utf-8")
        protected.backup(tag="before")
        assert found_in([edms.database_path, edms.media], (*PERSON, *DOCUMENT)), "the search finds what is there"
        assert self.in_repository("objects"), "and reads what is encrypted"
        settings = protected.settings
        record(settings, "users.User:user0002", list(COLUMNS), reason="request 17", by="Ann")
        record(settings, f"documents.Document:id={self.document}", [], reason="request 18", by="Ann")

    def in_repository(self, *folders: str) -> list[str]:
        secret = Repository.open(self.protected.settings.repository).keys.secret
        assert secret is not None
        identity = self.folder / "secret"
        identity.write_text(secret.as_text(), encoding="utf-8")
        return found_in([self.protected.repository / one for one in folders], (*PERSON, *DOCUMENT), identity)

    def left(self, *copies: Path) -> list[str]:
        """Whatever is left in copies, in the folder for work, and in what the repository got since."""
        work = [path for path in self.protected.settings.workdir.iterdir() if path.name != "copies"]
        return found_in([*copies, *work], (*PERSON, *DOCUMENT)) + self.in_repository("reports", "log", "records")

    def restored(self, name: str, snapshot: str = "before") -> tuple[Path, Path]:
        database, files = self.folder / f"{name}.sqlite3", self.folder / name
        done = self.protected.restore(snapshot, into=str(database), into_files=files)
        assert done.success, done.failures
        return database, files


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory, edms_factories: ReferenceEdmsFactory) -> Iterator[Erased]:
    folder = tmp_path_factory.mktemp("erased")
    yield Erased(encrypt(protect(edms_factories("sqlite", documents=4), folder)), folder)


@pytest.fixture(scope="module")
def edms_factories(tmp_path_factory: pytest.TempPathFactory, _edms_templates: object) -> ReferenceEdmsFactory:
    return ReferenceEdmsFactory(_edms_templates, tmp_path_factory.mktemp("systems"), "erased_bytes")  # type: ignore[arg-type]


def test_in_a_copy(erased: Erased) -> None:
    assert erased.left(*erased.restored("copy")) == []


def test_on_the_other_engine(erased: Erased, postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("erased_bytes_moved")
    postgres_server.drop_database("erased_bytes_moved")  # the restore makes it itself
    done = erased.protected.restore("before", into=url, into_files=erased.folder / "moved")
    assert done.success, done.failures
    dump = erased.folder / "moved.sql"
    program = find_bin_dir() / "pg_dump"
    subprocess.run([program, "--dbname", url, "--file", dump], check=True, env=dict(os.environ))
    postgres_server.drop_databases("erased_bytes")
    assert "user0002" in dump.read_text(encoding="utf-8")
    assert erased.left(dump, erased.folder / "moved") == []


def test_in_a_drill(erased: Erased) -> None:
    done = drill.fn(Run(erased.protected.settings), DrillRequest(snapshot="before"))
    assert done.success
    assert erased.left() == []


def test_of_another_column_of_the_same_person(erased: Erased) -> None:
    record(erased.protected.settings, "users.User:user0002", ["employee_id=hash"], reason="request 19", by="Ann")
    copy = erased.restored("again")
    assert erased.left(*copy) == []
    assert not found_in(copy, ["ZQX-00777"])


def test_after_everything_was_encrypted_to_another_key(erased: Erased) -> None:
    keys.rotate_key(erased.protected.settings, reencrypt=True)
    copy = erased.restored("rotated")
    assert erased.left(*copy) == []
    assert not found_in(copy, ["ZQX-00777"])


def test_of_a_snapshot_that_was_converted_from_an_old_backup(erased: Erased) -> None:
    done = convert.fn(Run(erased.protected.settings), ConvertRequest(path=str(erased.old)))
    assert erased.left(*erased.restored("converted", done.snapshot_id)) == []


def test_in_the_live_system(erased: Erased) -> None:
    done = erased.protected.restore("before")
    assert done.promoted, done.failures
    edms = erased.protected.edms
    assert erased.left(edms.database_path, edms.media) == []
