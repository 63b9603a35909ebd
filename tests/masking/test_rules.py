"""Rules that cannot be meant are refused by name, before anything is made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import CheckFailed, CommandError, DamagedRepository, SettingsError, TerminalError
from edms_tasks.inventory.model import (
    Column,
    Edms,
    ForeignReference,
    GenericReference,
    LogicalType,
    NaturalKey,
    Table,
    UniqueKey,
)
from edms_tasks.manifest import Manifest, NativeSchema, ObjectRef, ReferenceState, TableEntry, TableState
from edms_tasks.masking.mask_plan import plan_masks
from edms_tasks.masking.pseudonyms import KEY_VARIABLE, mask_key
from edms_tasks.masking.rules import MaskRules, load_rules
from flows.restoring.masking import load_masked
from tests.backed_up import BackedUpSystems


def _column(name: str, logical: LogicalType = "text", native: str = "varchar(40)", **more: Any) -> Column:
    return Column(name=name, native_type=native, logical_type=logical, nullable=more.pop("nullable", False), **more)


def _entry(table: Table, rows: int = 3, filled: int = 3) -> TableEntry:
    references = tuple(ReferenceState(name=one.name, filled=filled, dangling=0) for one in table.references)
    state = TableState(rows=rows, proof="0" * 64, references=references)
    key = NaturalKey(source="unique", paths=(("mail",),)) if table.name == "person" else None
    return TableEntry(
        table=table, natural_key=key, encodings={}, state=state, chunks=(), blocks=(), ordered_by=(), types={}
    )


PERSON = Table(
    id="person",
    schema_name=None,
    name="person",
    model="people.Person",
    primary_key=("id",),
    columns=(
        _column("id", "integer", "integer"),
        _column("mail"),
        _column("nick", nullable=True),
        _column("born", "date", "date"),
        _column("photo"),
        _column("papers", "json", "jsonb"),
        _column("folded", generated=True),
        _column("owner_type", "integer", "integer"),
        _column("owner_id", "text"),
        _column("active", "boolean", "boolean"),
    ),
    unique_keys=(UniqueKey(name="u", columns=("mail",)),),
    file_columns=(("photo", "media"),),
    references=(GenericReference(name="owner", content_type_column="owner_type", object_id_column="owner_id"),),
)
LETTER = Table(
    id="letter",
    schema_name=None,
    name="letter",
    columns=(_column("mail"), _column("body", native="text")),
    references=(
        ForeignReference(kind="foreign", name="mail", columns=("mail",), target="person", target_columns=("mail",)),
    ),
)
_NO_OBJECT = ObjectRef(sha256="0" * 64, size=0)
MANIFEST = Manifest.model_construct(
    created=datetime(2026, 1, 1, tzinfo=UTC),
    edms=Edms.model_construct(),
    engine="postgresql",
    native_schema=NativeSchema(engine="postgresql", format="pg_dump-custom", object=_NO_OBJECT, server_version="15"),
    tables=(_entry(PERSON), _entry(LETTER)),
    files=(),
    findings=(),
)


def _plan(columns: dict[str, Any], **more: Any) -> Any:
    return plan_masks(MANIFEST, MaskRules.model_validate({"columns": columns, **more}), "rules.toml")


@pytest.mark.parametrize(
    ("columns", "what", "fix"),
    [
        ({"people.Persn.mail": "email"}, "There is no model or table 'people.Persn'.", "people.Person"),
        ({"people.Person.mial": "email"}, "There is no column 'mial'.", "mail"),
        ({"mail": "email"}, "'mail' names no column.", "a dot"),
        ({"people.Person.id": "hash"}, "it is the primary key", "Leave it"),
        ({"people.Person.mail": "null"}, "would make its values equal", "hash"),
        ({"people.Person.mail": {"kind": "constant", "value": "x"}}, "would make its values equal", "hash"),
        ({"people.Person.born": "name"}, "does not suit its type date", "another kind"),
        ({"people.Person.nick": "shift"}, "does not suit its type varchar(40)", "another kind"),
        ({"people.Person.born": "null"}, "it does not allow NULL", "constant"),
        ({"people.Person.born": {"kind": "shift", "by": "bron"}}, "there is no column 'bron'", "born"),
        ({"people.Person.active": "hash"}, "does not suit its type boolean", "another kind"),
        ({"people.Person.photo": "hash"}, "it names files", "[files]"),
        ({"people.Person.papers": "email"}, "does not suit JSON", "paths"),
        ({"people.Person.papers": {"paths": {"a..b": "name"}}}, "'a..b' is no path", "owner.email"),
        ({"people.Person.folded": "name"}, "the database computes it", "it follows"),
        ({"people.Person.owner_id": "hash"}, "part of the reference owner", "refers to"),
        ({"letter.mail": "email"}, "letter.mail refers to people.Person.mail", "Mask people.Person.mail"),
        ({"people.Person.mail": "keep", "letter.mail": "email"}, "letter.mail refers to people.Person.mail", "Mask people.Person.mail"),
        ({"people.Person.mail": "email", "letter.mail": "hash"}, "and their rules differ", "Remove the rule"),
        ({}, "mask no column", "Name columns"),
        ({"people.Person.mail": "keep"}, "mask no column", "other than keep"),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_fit_is_an_error(columns: dict[str, Any], what: str, fix: str) -> None:
    with pytest.raises(SettingsError) as refused:
        _plan(columns)
    assert what in refused.value.what and fix in refused.value.fix, str(refused.value)
    assert refused.value.where.startswith("rules.toml")


def test_columns_that_refer_to_masked_ones_follow() -> None:
    plan = _plan({"people.Person.mail": "email"})
    assert plan.tables["letter"].described == ("letter.mail: email",)


def test_rows_that_others_refer_to_cannot_be_left_out() -> None:
    with pytest.raises(SettingsError, match=r"cannot be left out: letter\.mail refers to them"):
        _plan({}, empty=["people.Person"])
    assert _plan({}, empty=["people.Person", "letter"]).emptied == {"person", "letter"}


def test_a_table_that_is_left_out_cannot_have_masked_columns_whatever_it_is_called() -> None:
    with pytest.raises(SettingsError, match=r"people\.Person\.mail is masked, but all rows of its table are left out"):
        _plan({"person.mail": "email"}, empty=["people.Person", "letter"])


def test_personal_columns_that_are_not_named_are_listed_and_kept_ones_are_not() -> None:
    (warning,) = _plan({"letter.body": "keep", "people.Person.nick": "name"}).warnings
    assert "people.Person.mail" in warning and "people.Person.papers" in warning and "people.Person.born" in warning
    assert "letter.body" not in warning and "people.Person.nick" not in warning


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[columns\n", "TOML"),
        ('[columns]\n"a.b" = "fake"\n', "columns.a.b"),
        ('[colums]\n"a.b" = "name"\n', "colums"),
        ('[columns]\n"a.b" = { kind = "constant" }\n', "value"),
        ('[columns]\n"a.b" = { kind = "name", paths = { x = "name" } }\n', "either"),
        ('[columns]\n"a.b" = { paths = { "**" = "name", x = "name" } }\n', "every string"),
        ("[search]\nminimum_length = 1\n", "minimum_length"),
    ],
)
def test_a_file_that_is_no_rules_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_rules(tmp_path / "rules.toml")
    assert why in str(refused.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_rules(tmp_path / "missing.toml")


def test_a_key_that_can_be_guessed_is_refused_and_no_key_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mask_key().text != mask_key().text
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with pytest.raises(SettingsError, match="too short"):
        mask_key()
    monkeypatch.setenv(KEY_VARIABLE, "s" * 40)
    assert (mask_key().text, mask_key().source) == ("s" * 40, "environment")
    assert "sss" not in repr(mask_key())


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "--mask needs --into"),
        ({"into": "x", "salvage": True}, "--mask and --salvage"),
        ({"into": "postgresql://x@localhost/y"}, "--mask cannot change the engine"),
    ],
)
def test_only_a_copy_can_be_masked(
    backed_up: BackedUpSystems, options: dict[str, Any], what: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=what):
        backed_up("sqlite").protected.restore(mask=tmp_path / "rules.toml", **options)


def test_a_pseudonym_that_the_database_refuses_is_a_matter_of_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise TerminalError("PostgreSQL refused rows of person.", where="here", why="violates check constraint c")

    def damaged(*_: object) -> int:
        raise DamagedRepository("A chunk is damaged.")

    nothing: Any = None
    monkeypatch.setattr("flows.restoring.masking.load_table", refuse)
    with pytest.raises(CheckFailed) as refused:
        load_masked(nothing, nothing, nothing, Path())
    assert "choose a kind that fits" in refused.value.fix and refused.value.why == "violates check constraint c"
    monkeypatch.setattr("flows.restoring.masking.load_table", damaged)
    with pytest.raises(DamagedRepository):
        load_masked(nothing, nothing, nothing, Path())
