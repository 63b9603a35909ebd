"""Dumps whose parts were cut, lost or left out: what is missing is named by table, and no row is made of what is none."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import DumpForm, examine_dump, restored_dump
from edms_tasks.databases.postgresql import dump_script
from edms_tasks.databases.postgresql.dump_findings_of import findings_of_survey
from edms_tasks.databases.postgresql.dump_script import DumpScript, Statement
from edms_tasks.databases.postgresql.dump_survey import DumpSurvey, survey_dump
from edms_tasks.errors import UnreadableBackup
from edms_tasks.inventory.model import Finding
from tests.legacy.dumps_of import dump_of, pg_dump
from tests.postgres_programs import wheel_bin_dirs
from tests.postgres_server import PostgresServer

_NOTES = b"COPY public.notes (text) FROM stdin;\n"
_NEXT = b"--\n-- Data for Name: texts; Type: TABLE DATA; Schema: public; Owner: me\n--\n\nCOPY public.texts (text) FROM stdin;\nx\n\\.\n\n"
_END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
_BEGIN = (
    b"--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.notes (\n    text text\n);\n"
    b"CREATE TABLE public.texts (\n    text text\n);\n"
)


def _rows(text: bytes) -> dict[bytes, bytes]:
    script = DumpScript(io.BytesIO(text))
    return {
        part.text.split()[1]: b"".join(script.rows())
        for part in script
        if isinstance(part, Statement) and part.takes_rows
    }


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize("left", [b"", b"1\n2\n", b"--\n-- Name: 2\n", b"1\n2\nhal", b"1\n--", b"1\n\n\n"], ids=repr)
def test_rows_without_their_mark_end_where_the_next_table_begins(
    left: bytes, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_script, "_PIECE", piece)

    found = _rows(_BEGIN + _NOTES + left + _NEXT + _END)

    assert found == {b"public.notes": left[: left.rfind(b"\n") + 1].replace(b"\n\n\n", b"\n"), b"public.texts": b"x\n"}


@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_rows_without_their_mark_end_where_the_dump_does(line: str) -> None:
    text = (_BEGIN + _NOTES + b"1\n" + _END).replace(b"\n", line.encode())

    survey = survey_dump(io.BytesIO(text))

    assert survey.databases[""].rows == {"public.notes": 1}
    assert _named(survey) == {("dump-cut", "public.notes"), ("dump-without-rows", "dump")}
    assert survey.is_complete


def _named(survey: DumpSurvey) -> set[tuple[str, str]]:
    found = findings_of_survey(survey, survey.databases[""], "")
    return {(one.code, one.subject) for one in found if one.severity != "info"}


def test_rows_that_were_left_out_are_named() -> None:
    survey = survey_dump(io.BytesIO(_BEGIN + _NOTES + b"1\n\\.\n\n" + _END))

    (found,) = [one for one in findings_of_survey(survey, survey.databases[""], "") if one.code == "dump-without-rows"]

    assert (found.severity, found.count, found.examples) == ("warning", 1, ("public.texts",))


def test_a_partitioned_table_has_no_rows_of_its_own() -> None:
    made = b"CREATE TABLE public.all (\n    at date\n)\nPARTITION BY RANGE (at);\n"

    assert _named(survey_dump(io.BytesIO(_BEGIN + made + _NOTES + b"1\n\\.\n\n" + _NEXT + _END))) == set()


@pytest.fixture(scope="module")
def small(postgres_server: PostgresServer) -> Iterator[tuple[PostgresServer, str]]:
    """A database of two tables of texts."""
    url = postgres_server.create_database("parts")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE notes (text text)",
            "CREATE TABLE texts (text text)",
            "INSERT INTO notes SELECT 'it''s (' || g || '), VALUES' FROM generate_series(1, 9) g",
            "INSERT INTO texts SELECT g FROM generate_series(1, 5) g",
            "CREATE ROLE parts_role LOGIN PASSWORD 'secret' CREATEDB CREATEROLE",
        ):
            connection.execute(statement.encode())
    yield postgres_server, url
    postgres_server.drop_databases("parts")
    with postgres_server.connect() as connection:
        connection.execute("DROP ROLE parts_role")


def _restore(
    small: tuple[PostgresServer, str], path: Path, form: DumpForm, folder: Path
) -> tuple[dict[str, int], list[Finding]]:
    """The rows that came of it, and the findings that are losses."""
    server, _ = small
    address = DatabaseAddress.from_url(f"postgresql://parts_role:secret@127.0.0.1:{server.port}/parts")
    with (
        restored_dump(dump_of(path, form), address, folder) as restored,
        psycopg.connect(restored.address.url()) as made,
    ):
        rows = {
            name: int(str(made.execute(f"SELECT count(*) FROM public.{name}".encode()).fetchone()[0]))  # type: ignore[index]
            for name in ("notes", "texts")
        }
    found = (*restored.contents.findings, *restored.findings)
    return rows, [one for one in found if one.severity == "error"]


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda rows: b"",
    "cut between rows": lambda rows: rows[: rows.index(b"\n", len(rows) // 2) + 1],
    "without its mark": lambda rows: rows[: rows.rindex(b"\\.")],
}


@pytest.mark.parametrize("how", CUTS)
def test_a_cut_file_of_a_folder_costs_no_other_table(
    how: str, small: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    folder = pg_dump(*small, tmp_path / "dump", "--format=directory", "-Z0")
    file = next(path for path in folder.glob("*.dat") if path.read_bytes().startswith(b"it's"))
    kept = CUTS[how](file.read_bytes())
    file.write_bytes(kept)

    rows, lost = _restore(small, folder, "pg_dump-directory", tmp_path)

    assert rows == {"notes": kept.count(b"\n"), "texts": 5}
    assert [(one.code, one.subject) for one in lost] == [("dump-cut", "public.notes")]


def test_several_rows_of_an_insert_are_counted(small: tuple[PostgresServer, str], tmp_path: Path) -> None:
    path = pg_dump(*small, tmp_path / "dump", "--rows-per-insert=4")

    assert examine_dump(dump_of(path, "pg_dump-plain")).rows == {"public.notes": 9, "public.texts": 5}
    assert _restore(small, path, "pg_dump-plain", tmp_path) == ({"notes": 9, "texts": 5}, [])


def test_policies_that_bind_the_owner_are_named_where_they_would_hide_rows(
    small: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    path = pg_dump(*small, tmp_path / "dump")
    forced = (
        "ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;\nALTER TABLE ONLY public.notes FORCE ROW LEVEL SECURITY;\n"
    )
    path.write_text(
        path.read_text().replace(
            "--\n-- PostgreSQL database dump complete", f"{forced}--\n-- PostgreSQL database dump complete"
        )
    )

    rows, lost = _restore(small, path, "pg_dump-plain", tmp_path)

    assert rows == {"notes": 9, "texts": 5}
    assert [one.code for one in lost] == ["dump-statement-failed"]
    assert "FORCE ROW LEVEL SECURITY: the rows would be hidden" in lost[0].message


def test_a_tar_of_a_newer_pg_dump_is_read_by_a_newer_pg_restore(
    small: tuple[PostgresServer, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = [folder for folder in wheel_bin_dirs() if "18" in folder.parent.name]
    if not newer:
        pytest.skip("no pg_dump of version 18")
    server, url = small
    path = tmp_path / "dump.tar"
    subprocess.run([newer[0] / "pg_dump", "--format=tar", f"--file={path}", url], check=True)
    monkeypatch.setenv("PATH", f"{server.bin_dir}{os.pathsep}{os.environ['PATH']}{os.pathsep}{newer[0]}")

    assert examine_dump(dump_of(path, "pg_dump-tar")).rows == {"public.notes": 9, "public.texts": 5}


def test_what_pg_restore_says_of_an_archive_that_gives_nothing_is_passed_on(
    small: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    path = pg_dump(*small, tmp_path / "dump", "--format=custom")
    content = bytearray(path.read_bytes())
    content[6] = 99  # the archive's version
    path.write_bytes(content)

    with pytest.raises(UnreadableBackup) as raised:
        examine_dump(dump_of(path, "pg_dump-custom"))

    assert "pg_restore" in raised.value.why
    assert "version" in raised.value.why
