"""What a masked copy of a snapshot masks: the rules, applied to its tables, columns and folders. Every name is checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, SoftReference, Table
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.masking.masked_texts import is_path
from edms_tasks.masking.personal_columns import looks_personal
from edms_tasks.masking.pseudonyms import TEXT_KINDS
from edms_tasks.masking.rules import ColumnRule, MaskRules, SearchRules, Treatment
from edms_tasks.unknown_names import closest_name, unknown_name

_DEFAULT_EMPTY = ("django_session", "authtoken_token", "knox_authtoken", "socialaccount_socialtoken")
_DEFAULT_TEXTS = (("django_admin_log", "object_repr"), ("django_admin_log", "change_message"))
CODE_TABLES = frozenset({"django_content_type", "django_migrations", "auth_permission"})
"""Tables with names from the EDMS's code, which are equal in every installation."""


@dataclass(frozen=True)
class MaskedColumn:
    """A column, and what becomes of its values."""

    column: Column
    rule: ColumnRule
    limit: int | None  # characters that fit
    unique: bool  # different values must stay different

    @property
    def name(self) -> str:
        """The column's name in the database."""
        return self.column.name

    @property
    def what(self) -> str:
        """What becomes of it, in a word or two."""
        if self.rule.kind is not None:
            return self.rule.kind
        return ", ".join(f"{path}: {kind}" for path, kind in self.rule.paths.items())


@dataclass(frozen=True)
class TableMask:
    """A table with masked columns."""

    entry: TableEntry
    columns: tuple[MaskedColumn, ...]

    @property
    def computed(self) -> tuple[str, ...]:
        """The columns that the database computes, perhaps from masked ones: they cannot be compared with the snapshot's."""
        return tuple(column.name for column in self.entry.table.columns if column.generated)

    @property
    def described(self) -> tuple[str, ...]:
        """A line for each column."""
        return tuple(f"{self.entry.table.label}.{column.name}: {column.what}" for column in self.columns)


@dataclass(frozen=True)
class MaskPlan:
    """What is masked.

    Args:
        tables: by table id, those with masked columns.
        emptied: ids of tables whose rows are left out.
        files: root -> what becomes of its files.
        may_hold: (table id, column) that are not searched for original values.
        search: how the copy is searched.
        warnings: sentences about what looks personal and is not masked.
    """

    tables: Mapping[str, TableMask]
    emptied: frozenset[str]
    files: Mapping[str, Treatment]
    may_hold: frozenset[tuple[str, str]]
    search: SearchRules
    warnings: tuple[str, ...]


def plan_masks(manifest: Manifest, rules: MaskRules, where: str) -> MaskPlan:
    """Apply rules to a snapshot; `where` names their file.

    Raises:
        SettingsError: a table, column or folder does not exist, or a rule does not suit its column.
    """
    if all(rule.kind == "keep" for rule in rules.columns.values()) and not rules.empty:
        raise SettingsError(
            "The masking rules mask no column.",
            where=where,
            why="The copy would hold all personal data.",
            fix='Name columns with a kind other than keep: [columns] "users.User.email" = "email". See docs/masking.md.',
        )
    names = _Names(manifest, where)
    emptied = {names.table(name, "empty").id for name in rules.empty}
    given = {names.column(name, "columns"): rule for name, rule in rules.columns.items()}
    if both := sorted(f"{names.tables[table].label}.{column}" for table, column in given if table in emptied):
        raise SettingsError(
            f"{both[0]} is masked, but all rows of its table are left out.",
            where=where,
            fix="Remove one of the two rules.",
        )
    if rules.defaults:
        emptied |= set(_DEFAULT_EMPTY) & names.tables.keys() - {table for table, _ in given}
        defaults = _defaults(names.tables)
        given = {**{key: rule for key, rule in defaults.items() if key[0] not in emptied}, **given}
    _require_no_soft_target(names.tables, given, where)
    masked = _with_references(names.tables, given, emptied, where)
    _require_nothing_points_at(manifest.tables, emptied, where)
    roots = {index.root.name for index in manifest.files}
    for root in rules.files:
        if root not in roots:
            raise unknown_name(f"{where}: [files]", "folder", root, roots)
    return MaskPlan(
        tables={
            entry.table.id: table_mask(entry, own, where)
            for entry in manifest.tables
            if (own := {name: rule for (table, name), rule in masked.items() if table == entry.table.id})
        },
        emptied=frozenset(emptied),
        files={root: rules.files.get(root, "placeholder") for root in sorted(roots)},
        may_hold=frozenset(names.column(name, "search.may_hold") for name in rules.search.may_hold),
        search=rules.search,
        warnings=_warnings(manifest, {*given, *masked}, emptied),
    )


class _Names:
    """The snapshot's tables and columns by the names that rules may use."""

    def __init__(self, manifest: Manifest, where: str) -> None:
        self.tables = {entry.table.id: entry.table for entry in manifest.tables}
        self._named = self.tables | {table.label: table for table in self.tables.values()}
        self._where = where

    def table(self, name: str, place: str) -> Table:
        if name not in self._named:
            raise unknown_name(f"{self._where}: {place}", "model or table", name, self._named)
        return self._named[name]

    def column(self, name: str, place: str) -> tuple[str, str]:
        owner, dot, column = name.rpartition(".")
        if not dot:
            raise SettingsError(
                f"{name!r} names no column.",
                where=f"{self._where}: {place}",
                fix='Write the model or table, a dot and the column: "users.User.email".',
            )
        table = self.table(owner, place)
        for one in table.columns:
            if column in (one.name, one.field):
                return table.id, one.name
        known = {one.name for one in table.columns} | {one.field for one in table.columns if one.field}
        raise unknown_name(f"{self._where}: {place}, {table.label}", "column", column, known)


def _defaults(tables: Mapping[str, Table]) -> dict[tuple[str, str], ColumnRule]:
    found = {}
    for table in tables.values():
        columns = {column.name: column for column in table.columns}
        # Django's AbstractBaseUser, whatever the model is called.
        if {"password", "last_login"} <= columns.keys() and columns["password"].logical_type == "text":
            found[table.id, "password"] = ColumnRule(kind="password")
    for owner, name in _DEFAULT_TEXTS:
        if owner in tables and any(column.name == name for column in tables[owner].columns):
            found[owner, name] = ColumnRule(kind="text")
    return found


def _with_references(
    tables: Mapping[str, Table],
    given: Mapping[tuple[str, str], ColumnRule],
    emptied: Collection[str],
    where: str,
) -> dict[tuple[str, str], ColumnRule]:
    """The rules, and the same for columns that refer to masked ones, so that they still do."""
    spread = dict(given)
    followed = [key for key, rule in given.items() if rule.kind != "keep"]
    while followed:
        target, column = followed.pop()
        rule = spread[target, column]
        for table in tables.values():
            for reference in table.references:
                if not isinstance(reference, ForeignReference) or target not in (reference.target, *reference.targets):
                    continue
                for name, pointed in zip(reference.columns, reference.target_columns, strict=True):
                    key = (table.id, name)
                    if pointed != column or spread.get(key) == rule or table.id in emptied:
                        continue
                    if key in given:
                        raise SettingsError(
                            f"{table.label}.{name} refers to {tables[target].label}.{column}, and their rules differ.",
                            where=where,
                            fix=f"Remove the rule of {table.label}.{name}: it gets that of the column it refers to.",
                        )
                    spread[key] = rule
                    followed.append(key)
    for owner, name in given:
        if given[owner, name].kind == "keep":
            continue
        for reference in tables[owner].references:
            if isinstance(reference, ForeignReference) and name in reference.columns:
                pointed = reference.target_columns[reference.columns.index(name)]
                its = spread.get((reference.target, pointed))
                if (its is None or its.kind == "keep") and reference.target in tables:
                    raise SettingsError(
                        f"{tables[owner].label}.{name} refers to {tables[reference.target].label}.{pointed}.",
                        where=where,
                        why="Masked alone, it would refer to nothing.",
                        fix=f"Mask {tables[reference.target].label}.{pointed}; what refers to it follows.",
                    )
    return {key: rule for key, rule in spread.items() if rule.kind != "keep"}


def _require_no_soft_target(
    tables: Mapping[str, Table], given: Mapping[tuple[str, str], ColumnRule], where: str
) -> None:
    for table in tables.values():
        for reference in table.soft_references:
            rule = given.get((reference.target, reference.target_column))
            if rule is not None and rule.kind != "keep":
                raise SettingsError(
                    f"{tables[reference.target].label}.{reference.target_column} cannot be masked:"
                    f" {table.label}.{reference.column} holds its values as references.",
                    where=where,
                    fix="Remove the rule, or the declaration in [[soft_references]] if it is none.",
                )


def table_mask(entry: TableEntry, rules: Mapping[str, ColumnRule], where: str) -> TableMask:
    """The masked columns of a table, by name; raises SettingsError if a rule does not suit its column."""
    table = entry.table
    keyed = {name for key in table.unique_keys for name in key.columns} | set(table.primary_key)
    natural = {path[0] for path in (entry.natural_key.paths if entry.natural_key else ()) if len(path) == 1}
    columns = []
    for column in table.columns:
        rule = rules.get(column.name)
        if rule is None:
            continue
        unique = column.name in keyed | natural
        if problem := _problem(table, column, rule, unique=unique):
            raise SettingsError(
                f"{table.label}.{column.name} cannot be masked: {problem[0]}", where=where, fix=problem[1]
            )
        columns.append(MaskedColumn(column, rule, _limit(column), unique))
    return TableMask(entry, tuple(columns))


_LETTERS_FIT = "Use another kind: docs/masking.md lists what suits which column."


def _problem(table: Table, column: Column, rule: ColumnRule, *, unique: bool) -> tuple[str, str] | None:
    """What is wrong with a rule for a column, and the fix."""
    kind, logical = rule.kind, column.logical_type
    if column.generated:
        return "the database computes it.", "Mask the columns that it is computed from; it follows."
    if column.name in table.primary_key:
        return "it is the primary key, which references without a foreign key may hold.", "Leave it."
    if column.name in {name for name, _ in table.file_columns}:
        return "it names files.", "Files keep their names; [files] says what becomes of their contents."
    for reference in table.references:
        if isinstance(reference, GenericReference) and column.name in (
            reference.content_type_column,
            reference.object_id_column,
        ):
            return f"it is part of the reference {reference.name}.", "Mask columns of the row that it refers to."
        if isinstance(reference, SoftReference) and column.name == reference.column and not rule.paths:
            return f"it holds ids of {reference.target}.", "Name paths into its JSON that hold no ids, or leave it."
    if unique and kind in ("null", "constant"):
        return f"it is part of a key, and {kind!r} would make its values equal.", "Use the kind hash."
    if kind == "null" and not column.nullable:
        return "it does not allow NULL.", "Use the kind constant, or one that makes pseudonyms."
    if rule.paths:
        if logical not in ("json", "text", "other"):
            return f"it is of the type {column.native_type}, which holds no JSON.", _LETTERS_FIT
        for path in rule.paths:
            if not is_path(path):
                return f"{path!r} is no path.", "Write it like owner.email, history[*].name or **."
    if kind in TEXT_KINDS and kind != "hash" and logical not in ("text", "other", "json"):
        return f"the kind {kind!r} does not suit its type {column.native_type}.", _LETTERS_FIT
    if kind in TEXT_KINDS and logical == "json" and kind != "text":
        return (
            f"the kind {kind!r} does not suit JSON.",
            'Use text for all strings, or { paths = { "owner.email" = "email" } }.',
        )
    if kind == "hash" and logical not in ("text", "uuid", "other"):
        return f"the kind 'hash' does not suit its type {column.native_type}.", _LETTERS_FIT
    if kind == "number" and logical != "integer":
        return f"the kind 'number' does not suit its type {column.native_type}.", _LETTERS_FIT
    if kind == "shift" and logical not in ("date", "datetime"):
        return f"the kind 'shift' does not suit its type {column.native_type}.", _LETTERS_FIT
    if rule.by is not None and rule.by not in {one.name for one in table.columns}:
        return f"there is no column {rule.by!r}.", closest_name(rule.by, [one.name for one in table.columns])
    if kind == "constant" and logical == "json" and rule.value not in ("{}", "[]"):
        return "a constant for JSON is {} or [].", "Use one of these."
    return None


def _limit(column: Column) -> int | None:
    found = re.search(r"\((\d+)\)\s*$", column.native_type)
    return int(found[1]) if found and column.logical_type in ("text", "uuid", "other") else None


def _require_nothing_points_at(entries: Sequence[TableEntry], emptied: Collection[str], where: str) -> None:
    labels = {entry.table.id: entry.table.label for entry in entries}
    for entry in entries:
        table, states = entry.table, {state.name: state for state in entry.state.references}
        if table.id in emptied:
            continue
        for reference in table.references:
            if isinstance(reference, GenericReference) or not set(reference.targets) & set(emptied):
                continue
            if reference.name in states and states[reference.name].filled:
                raise SettingsError(
                    f"The rows of {labels[reference.target]} cannot be left out: {table.label}.{reference.name} refers to them.",
                    where=where,
                    fix=f"Add {table.label} to `empty`, or mask the columns of {labels[reference.target]} instead.",
                )


def _warnings(manifest: Manifest, looked_at: Collection[tuple[str, str]], emptied: Collection[str]) -> tuple[str, ...]:
    found = sorted(
        f"{entry.table.label}.{column.name}"
        for entry in manifest.tables
        if entry.state.rows and entry.table.id not in emptied and entry.table.id not in CODE_TABLES
        for column in entry.table.columns
        if (entry.table.id, column.name) not in looked_at and looks_personal(entry.table, column)
    )
    return (f"{len(found):,} columns look personal and are not masked: {', '.join(found)}.",) if found else ()
