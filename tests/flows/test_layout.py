"""What is printed fits the terminal: no name is cut into pieces, nothing is wider than it must be."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from edms_tasks.merging.planning import MergePlan, ModelPlan
from flows.cli.printing.layout import WIDTH_OF_A_PIPE, folded, line, print_table
from flows.cli.printing.merge_plan import print_plan

LONG = "documents.ControlledDocumentRevisionApprovalAssignment"
WIDE = "文書.電子署名と承認の記録"
HEADINGS = ("model", ">in snapshot", ">insert", ">update", ">the same", "columns that differ")
ROWS = [
    (LONG, "5,009", "12", "0", "4,997", "approved_at (3), title (2)"),
    (WIDE, "1", "0", "1", "0", "note (1)"),
    ("evil\x1b[31m\nname", "1", "1", "0", "0", ""),
]


def printed(width: int, *, of: object = None) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False)
    if isinstance(of, MergePlan):
        print_plan(console, of)
    else:
        print_table(console, HEADINGS, ROWS)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 60, 40])
def test_names_stay_whole_on_a_narrow_terminal(width: int) -> None:
    text = printed(width)

    assert LONG in text and WIDE in text and "approved_at (3), title (2)" in " ".join(text.split())
    assert all(cell_len(row) <= width for row in text.splitlines() if LONG not in row)
    assert "insert 12" in text and "update 0" not in text
    assert "\x1b" not in text and "evil\\x1b[31m ⏎ name" in text


def test_a_pipe_gets_a_table_as_wide_as_its_contents() -> None:
    lines = printed(WIDTH_OF_A_PIPE).splitlines()

    assert len(lines) == 1 + len(ROWS)
    assert {cell_len(row[: row.index("5,009")]) for row in lines if "5,009" in row} == {cell_len(LONG) + 2 + 6}
    assert lines[2].startswith(WIDE) and lines[2].rstrip().endswith("note (1)")


@pytest.mark.parametrize("width", [80, 60, 40])
def test_lines_are_folded_between_words_alone(width: int) -> None:
    path = "/srv/edms/media/" + "a" * 60 + ".pdf"
    text = f"  ! documents.Document.file: Rows name {path} and others that are not among the files of the snapshot."

    parts = folded(text, width)

    assert " ".join(part.strip() for part in parts) == text.strip()
    assert all(cell_len(part) <= width or path in part for part in parts)
    assert all(part.startswith("    ") for part in parts[1:])
    assert folded(text, WIDTH_OF_A_PIPE) == [text]


def test_control_characters_in_a_line_do_not_reach_the_terminal() -> None:
    stream = io.StringIO()

    line(Console(file=stream, width=80), "\x1b]0;owned\x07 \u202egnp.exe [bold]x[/bold]")

    assert stream.getvalue() == "\\x1b]0;owned\\x07 \\u202egnp.exe [bold]x[/bold]\n"


def test_unchanged_models_are_one_line() -> None:
    quiet = [_model(f"app.Model{number}") for number in range(64)]
    plan = MergePlan(snapshot_id="3f" * 32, target="x", models=(*quiet, _model(LONG, insert=2)), files=(), conflicts=())

    lines = printed(80, of=plan).splitlines()

    assert lines[0] == LONG and "insert 2" in lines[1]
    assert lines[-1] == "64 models unchanged; --all lists them"
    assert len(lines) < 5


def _model(name: str, insert: int = 0) -> ModelPlan:
    return ModelPlan(
        table_id=name, model=name, snapshot_rows=3, target_rows=3, insert=insert, update=0, keep=0, same=3 - insert,
        only_in_target=0, new_ids=0, orphaned=0, columns={}, inserts=(), updates=(),
    )  # fmt: skip
