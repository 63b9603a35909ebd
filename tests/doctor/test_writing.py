"""`doctor --write`: accepted suggestions stand in the settings file afterwards, and everything else as before."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edms_tasks.doctor.assessment import Declaration, Declarations, Fix, SettingsFix, SettingsTable
from edms_tasks.doctor.settings_file import add_to_settings, with_entries
from edms_tasks.errors import CommandError, SettingsError
from flows.cli.app import app
from flows.cli.suggesting import write_suggestions
from flows.initialising.settings_template import settings_text
from tests.doctor.conftest import Ailing
from tests.warm_python import edms_python

ROOTS = SettingsTable(section="files.roots", values=(("scans", "/srv/our scans"),))
KEY = SettingsFix(section="natural_keys", key="a.B", value=("x", "y"))
LEFT_OUT = SettingsFix(section="exclude", key="tables", value=("s.S",))
COLUMN = Declaration(section="soft_references", entries=(("column", "a.B.c"), ("target", "x.Y")))
IN_JSON = Declaration(
    section="soft_references", entries=(("column", "a.B.d"), ("target", "x.Y"), ("json", "$.a['it''s']"))
)
OF_KINDS = Declarations(
    each=tuple(
        Declaration(
            section="soft_references",
            entries=(("column", "a.B.e"), ("target", target)),
            where=(("the kind", kind),),
        )
        for kind, target in (('"x"\\', "x.Y"), ("3", "x.Z"))
    )
)
EVERY: tuple[Fix, ...] = (ROOTS, KEY, LEFT_OUT, COLUMN, IN_JSON, OF_KINDS)
MEANT = {
    "files": {"roots": {"scans": "/srv/our scans"}},
    "natural_keys": {"a.B": ["x", "y"]},
    "exclude": {"tables": ["s.S"]},
    "soft_references": [
        dict(COLUMN.entries),
        dict(IN_JSON.entries),
        {"column": "a.B.e", "target": "x.Y", "where": {"the kind": '"x"\\'}},
        {"column": "a.B.e", "target": "x.Z", "where": {"the kind": "3"}},
    ],
}

# The text of a file, and what it says besides.
WRITTEN = [
    ("", {}),
    ("jobs = 2\r\n# the end", {"jobs": 2}),
    ("soft_references = [] # none\n[edms]\nid = 'x'\n", {"edms": {"id": "x"}}),
    ("exclude.tables = ['s.S'] # mine\nfiles.roots.scans = '/old' # moved\n", {}),
    ("[natural_keys] # ours\n# nothing yet\n\n# what follows\n[exclude]\ntables = [\n  's.S', # sessions\n]\n", {}),
    ("[files]\nroots = { scans = '/old' } # r\n[natural_keys]\n'a.B' = ['z'] # why\n", {}),
    ("[[soft_references]] # one\ncolumn = 'a.B.c' # c\ntarget = 'x.Y'\n\n# more\n[edms]\nid = 'x'\n", {"edms": {"id": "x"}}),
    ("[edms]\nid = '''\n[exclude]\n'''\n", {"edms": {"id": "[exclude]\n"}}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "besides"), WRITTEN)
def test_entries_are_added_to_a_file_of_any_form(text: str, besides: dict[str, object]) -> None:
    written = with_entries(text, EVERY)

    assert tomllib.loads(written) == MEANT | besides
    for comment in (line[line.index("#") :] for line in text.splitlines() if "#" in line):
        assert comment in written
    assert with_entries(written, EVERY) == written


def test_the_file_of_init_keeps_every_line() -> None:
    before = settings_text({"edms.project": "/srv/edms"})

    after = iter(with_entries(before, EVERY).splitlines())

    assert all(line in after for line in before.splitlines())  # in that order, with others between


def test_a_file_in_which_nothing_can_be_added_is_left_alone(tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text("[edms]\nid = '''\n[natural_keys]\n'''\n[natural_keys]\n", encoding="utf-8")
    before = config.read_bytes()

    with pytest.raises(SettingsError):
        add_to_settings(config, [SettingsFix(section="natural_keys", key="edms.id", value=())] * 2 + [LEFT_OUT, _bad()])

    assert config.read_bytes() == before


def _bad() -> Fix:
    return Declaration(section="soft_references", entries=(("columns", "a.B.c"),))  # no setting of that name


def test_a_written_file_keeps_its_mode_and_a_link_to_it(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "edms-backup.toml"
    real.write_text("jobs = 2\n", encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)

    add_to_settings(link, [KEY])

    assert link.is_symlink()
    assert real.stat().st_mode & 0o7777 == 0o640
    assert tomllib.loads(real.read_text(encoding="utf-8")) == {"jobs": 2, "natural_keys": {"a.B": ["x", "y"]}}


def test_the_costliest_suggestions_come_first(ailing: Ailing) -> None:
    names = [one.name for one in ailing.examined.suggestions]

    assert names[0] == "files.roots"
    assert names[1:7] == [
        "small.Slip.payload $.document_ids[*]",
        "small.Slip.case_ref",
        "small.Slip.document_id",
        "small.Slip.payload $.cases.*~",
        "small.Slip.state $.parent.document.id",
        "small.Slip.carries",  # no name says so
    ]
    assert names[-2:] == ["small.Log.object_id", "exclude.tables: sessions.Session"]


def test_only_named_suggestions_are_written(ailing: Ailing, tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text("# ours\n", encoding="utf-8")

    write_suggestions(config, ailing.examined.suggestions, ["small.Slip.document_id", "files.roots"])

    written = tomllib.loads(config.read_text(encoding="utf-8"))
    assert set(written) == {"files", "soft_references"}
    assert written["soft_references"] == [{"column": "small.Slip.document_id", "target": "small.Document"}]
    with pytest.raises(CommandError, match=r"suggests nothing for 'small\.Slip\.docment_id'") as refused:
        write_suggestions(config, ailing.examined.suggestions, ["all", "small.Slip.docment_id"])
    assert "small.Slip.document_id" in refused.value.fix


def test_each_suggestion_is_asked_for(ailing: Ailing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text("", encoding="utf-8")
    answers = iter([False, True] + [False] * 20)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: next(answers))

    chosen = write_suggestions(config, ailing.examined.suggestions, ())

    assert [one.name for one in chosen] == ["small.Slip.payload $.document_ids[*]"]
    assert list(tomllib.loads(config.read_text(encoding="utf-8"))) == ["soft_references"]


@pytest.mark.long
def test_all_suggestions_written_are_suggested_no_more(ailing: Ailing, tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text(
        f"[edms]\nproject = '{ailing.folder}'\nsettings = 'small_settings'\npython = '{edms_python()}'\n",
        encoding="utf-8",
    )

    nobody = CliRunner().invoke(app, ["doctor", "--config", str(config), "--write"])
    first = CliRunner().invoke(app, ["doctor", "--config", str(config), "--write", "all"])
    second = CliRunner().invoke(app, ["doctor", "--config", str(config), "--json"])

    assert nobody.exit_code == 2
    assert "nobody can answer" in nobody.output
    assert first.exit_code == 1  # the EDMS still has what no setting mends
    assert f"{len(ailing.examined.suggestions)} suggestions written into" in first.output
    assert '"suggestions": []' in second.stdout
