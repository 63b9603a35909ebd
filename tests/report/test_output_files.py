"""A page that a user names never takes the place of something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edms_tasks.errors import CommandError
from edms_tasks.report.output_files import HTML, PDF, require_output, write_output

PAGE = b"\n\n<!DOCTYPE html>\n<p>new</p>"


@pytest.mark.parametrize("before", [None, b"", b"<!doctype html><p>old</p>", b"\n \n<!DOCTYPE HTML>old"])
def test_a_page_is_written_where_nothing_or_a_page_is(before: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    if before is not None:
        path.write_bytes(before)
    write_output(path, PAGE, HTML, "--html")
    assert path.read_bytes() == PAGE


@pytest.mark.parametrize("before", [b"SQLite format 3\0", b"[edms]\n", b"%PDF-1.7", b"<p>no whole page", b"\0"])
def test_a_file_of_another_kind_stays_as_it_is(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "edms-backup.toml"
    path.write_bytes(before)
    for refused in (lambda: require_output(path, HTML, "--html"), lambda: write_output(path, PAGE, HTML, "--html")):
        with pytest.raises(CommandError, match="another kind") as caught:
            refused()
        assert caught.value.where == f"--html {path}"
    assert path.read_bytes() == before


def test_a_pdf_replaces_a_pdf_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    write_output(path, b"%PDF-1.7 old", PDF, "--pdf")
    write_output(path, b"%PDF-1.7 new", PDF, "--pdf")
    assert path.read_bytes() == b"%PDF-1.7 new"
    with pytest.raises(CommandError):
        write_output(path, PAGE, HTML, "--html")


def test_folders_names_that_cannot_be_and_devices(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path, "It is a folder"),
        (tmp_path / "no" / "page.html", "does not exist"),
        (tmp_path / "a\0b", "null"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        with pytest.raises(CommandError, match=why):
            write_output(path, PAGE, HTML, "--html")
    write_output(Path(os.devnull), PAGE, HTML, "--html")
    assert not Path(os.devnull).is_file()
