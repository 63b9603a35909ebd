"""The search for original values: where it finds them, and what it cannot look for and says so."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.inventory.model import Column, Table
from edms_tasks.masking.masked_texts import is_path, mask_functions, masked_text
from edms_tasks.masking.original_values import OriginalColumn, Searchable, collect_originals
from edms_tasks.masking.rules import SearchRules
from edms_tasks.masking.search import search_rows
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, open_workspace

ORIGINALS = (
    "Grete",
    "Grete Oesterwind",
    "grete.o@brodt.example",
    "+49 170 5551234",
    "Ömer",
    "12345",
    "Li",
    "…",
    "5551234567",
    "Größenwahner",
    "Qwertz",
    "田中太郎",
    "6b1f0c9e11aa4c3e9a340f5d2c7b8e90",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with (
        open_workspace(tmp_path / "workspace", memory_limit_mb=256, threads=1) as opened,
        mask_functions(opened.engine, "k" * 32),
    ):
        yield opened


def _collect(workspace: Workspace, folder: Path, values: tuple[str, ...], **rules: object) -> Searchable:
    path = folder / "originals.parquet"
    pq.write_table(pa.table({"value": values, "prose": [False] * len(values)}), path)
    with workspace.cursor() as cursor:
        column = OriginalColumn("people.Person.name", (path,), is_date=False)
        return collect_originals(cursor, [column], SearchRules.model_validate(rules))


def _hits(workspace: Workspace, folder: Path, values: pa.Array, native: str = "text") -> int:
    table = Table(
        id="t",
        schema_name=None,
        name="t",
        columns=(Column(name="c", native_type=native, logical_type="text", nullable=True),),
    )
    path = folder / "rows.parquet"
    pq.write_table(pa.table({"c": values}), path)
    with workspace.cursor() as cursor:
        found = search_rows(cursor, table, RawTable("t", len(values), {"c": "native"}, (path,)), ())
    return sum(hit.rows for hit in found)


@pytest.mark.parametrize(
    "text",
    [
        "Grete",
        "dear GRETE, come",
        "grete_1970",
        "mailto:GRETE.O@brodt.example?x",
        "xgrete.o@brodt.examplex",
        '{"who": "\\u00d6mer"}',
        "&Ouml;mer",
        "%C3%96mer",
        "call +49 170 5551234 now",
        "O\u0308mer",  # the same letter in two characters
        "a" * 5000 + " grete oesterwind " + "b" * 5000,
        "x" * 300 + "5551234567" + "y" * 300,
        '{"n": "Rueckruf\\nQwertz bitte"}',
        '{"n": "x\\tQwertz"}',
        "GRÖSSENWAHNER",
        "Ｑｗｅｒｔｚ",
        "Größen\u00adwahner",
        "q=Grete+Oesterwind",
        "Grete \n Oesterwind",
        "Grete\u00a0Oesterwind",
        '{"a": "{\\"n\\": \\"Gr\\\\u00f6\\\\u00dfenwahner\\"}"}',
        "Gr&amp;ouml;&amp;szlig;enwahner",
        "連絡先は田中太郎です",
        "6b1f0c9e-11aa-4c3e-9a34-0f5d2c7b8e90",
    ],
)
def test_an_original_is_found_however_it_is_written(workspace: Workspace, text: str, tmp_path: Path) -> None:
    _collect(workspace, tmp_path, ORIGINALS)
    assert _hits(workspace, tmp_path, pa.array([None, "", "nothing here", text])) == 1


@pytest.mark.parametrize("text", ["Gretel", "regretes", "Li", "12345", "…", "oesterwind", "+49 170 555123"])
def test_parts_of_words_and_what_is_too_short_are_no_hits(workspace: Workspace, text: str, tmp_path: Path) -> None:
    _collect(workspace, tmp_path, ORIGINALS)
    assert _hits(workspace, tmp_path, pa.array([text])) == 0


def test_bytes_numbers_and_search_vectors_are_searched_too(workspace: Workspace, tmp_path: Path) -> None:
    _collect(workspace, tmp_path, ORIGINALS)
    assert _hits(workspace, tmp_path, pa.array([b"\x00\xff Grete Oesterwind", "Ömer".encode(), b"\xff"])) == 2
    hidden = ("\x80\x04\x8c\x06Qwertz\x94.".encode("latin-1"), b"\xff\x00" + "Größenwahner".encode())
    encoded = ("Größenwahner".encode("latin-1"), "Qwertz".encode("utf-16-le"), b"x" + "Qwertz".encode("utf-16-be"))
    assert _hits(workspace, tmp_path, pa.array([*hidden, *encoded, "Qwert".encode("utf-16-le")])) == 5
    assert _hits(workspace, tmp_path, pa.array([5551234567, 1, None])) == 1
    assert _hits(workspace, tmp_path, pa.array([Decimal("5551234567.00"), Decimal("5551234567.10")])) == 1
    assert _hits(workspace, tmp_path, pa.array(["'gret':1", "'oesterwind':2 'x':1"]), "tsvector") == 1


def test_values_that_cannot_be_searched_for_are_counted(workspace: Workspace, tmp_path: Path) -> None:
    found = _collect(workspace, tmp_path, (*ORIGINALS, "admin", ""), not_personal=["Admin"])
    assert found == Searchable(values=10, too_short={"people.Person.name": 3}, not_personal=1)


def test_numbers_and_dates_that_columns_hold_by_chance_are_not_counted_as_searched_for_in_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    found = _collect(workspace, tmp_path, ("7654321", "12345678", "Oesterwind"))
    assert (found.values, found.only_in_texts) == (2, {"people.Person.name": 1})
    assert _hits(workspace, tmp_path, pa.array([7654321])) == 0
    assert _hits(workspace, tmp_path, pa.array(["no. 7654321"])) == 1
    assert found.too_short == {}


def test_a_masked_text_keeps_its_shape_and_no_letter_order() -> None:
    text = "Zoë's 2nd note:\n\tcall +49 — 山田!"
    masked = masked_text(text, "k" * 32)
    assert len(masked) == len(text) and masked == masked_text(text, "k" * 32) != masked_text(text, "l" * 32)
    assert [a == b for a, b in zip(text, masked, strict=True) if not (a.isalnum())] == [True] * sum(
        not a.isalnum() for a in text
    )
    assert masked.isascii() is False and "山" not in masked and "ë" not in masked  # the dash stays
    assert not is_path("") and is_path("a.b[*].c[0]") and is_path("**")
