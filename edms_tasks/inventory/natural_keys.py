"""Derive the candidates for each table's natural key, best first. They are checked on the rows later.

The order is: the settings; the model's `natural_key()` if the probe found that it equals columns; a unique constraint of
all rows; a unique UUID; the primary key as the surrogate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edms_tasks.databases.quoted_values import without_quoted_values
from edms_tasks.errors import SettingsError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, ForeignReference, GenericReference, NaturalKey, Table, UniqueKey
from edms_tasks.inventory.probe_report import ProbeModel
from edms_tasks.unknown_names import unknown_name

Path = tuple[str, ...]


def derive_candidates(
    tables: Mapping[str, Table], models: Mapping[str, ProbeModel], declared: Mapping[str, Sequence[str]]
) -> tuple[dict[str, tuple[NaturalKey, ...]], tuple[Finding, ...]]:
    """Table id -> candidates, and findings on keys that cannot be used.

    Args:
        tables: table id -> table, with its references.
        models: table id -> the probe's model.
        declared: the settings' `[natural_keys]`, model label (or table id) -> field paths such as "document.number".

    Raises:
        SettingsError: a declared key names a model or field that does not exist.
    """
    findings: list[Finding] = []
    chosen = declared_keys(tables, declared)
    candidates: dict[str, tuple[NaturalKey, ...]] = {}
    for table_id, table in tables.items():
        found = [chosen[table_id]] if table_id in chosen else []
        model = models.get(table_id)
        if model is not None and model.natural_key is not None:
            found += _of_the_method(table, model, tables, findings)
        found += _unique_constraints(table)
        if table.primary_key:
            found.append(_key(table, "surrogate", tuple((column,) for column in table.primary_key)))
        candidates[table_id] = tuple(with_marked_ids(key, table, tables) for key in _distinct(found))
    return _without_cycles(tables, candidates, findings), tuple(findings)


def declared_keys(
    tables: Mapping[str, Table], declared: Mapping[str, Sequence[str]], *, where: str = "[natural_keys]"
) -> dict[str, NaturalKey]:
    """Table id -> declared key.

    Args:
        tables: table id -> table, with its references.
        declared: model label (or table id) -> field paths such as "document.number".
        where: where the keys were declared, for messages.

    Raises:
        SettingsError: a key names a model or field that does not exist.
    """
    by_name = table_ids_by_name(tables)
    keys = {}
    for name, fields in declared.items():
        table_id = by_name.get(name.lower())
        if table_id is None:
            raise unknown_name(f"{where} {name!r}", "model", name, [table.label for table in tables.values()])
        paths = tuple(_path(f"{where} {name!r}", field, tables[table_id], tables) for field in fields)
        key = NaturalKey(source="settings", paths=paths, readable=", ".join(fields))
        keys[table_id] = with_marked_ids(key, tables[table_id], tables)
    return keys


def table_ids_by_name(tables: Mapping[str, Table]) -> dict[str, str]:
    """Name in lower case (the model's label, or the table's id) -> table id."""
    return {table.label.lower(): table_id for table_id, table in tables.items()} | {t.lower(): t for t in tables}


def _path(where: str, text: str, table: Table, tables: Mapping[str, Table]) -> Path:
    """A path of fields as columns: `document.number` as `("document_id", "number")`; raises SettingsError."""
    path: list[str] = []
    here = table
    parts = text.split(".")
    for position, part in enumerate(parts):
        columns = {column.name: column.name for column in here.columns}
        columns |= {column.field: column.name for column in here.columns if column.field}
        if part not in columns:
            raise unknown_name(f"{where}: {text!r}", "field", part, sorted(columns))
        path.append(columns[part])
        if position < len(parts) - 1:
            reference = reference_of(here, columns[part])
            if reference is None or reference.target not in tables:
                raise SettingsError(
                    f"{part!r} is not a reference, so {text!r} cannot be followed.",
                    where=where,
                    fix="Only foreign keys are allowed before a dot.",
                )
            here = tables[reference.target]
    return tuple(path)


def _of_the_method(
    table: Table, model: ProbeModel, tables: Mapping[str, Table], findings: list[Finding]
) -> Iterator[NaturalKey]:
    key = model.natural_key
    assert key is not None  # the caller has checked it
    if key.paths is None:
        findings.append(
            make_finding(
                "natural-key-unusable",
                table.label,
                f"The model's natural_key() is not used: {without_quoted_values(key.problem or '')}.",
                fix=f'Declare the key: [natural_keys] "{table.label}" = ["…"].',
            )
        )
        return
    if tuple((column,) for column in table.primary_key) == key.paths and _is_surrogate(table):
        findings.append(
            make_finding(
                "natural-key-is-the-primary-key",
                table.label,
                "The model's natural_key() returns the primary key, which is only a counter.",
                severity="warning",
                fix=f'Declare another: [natural_keys] "{table.label}" = ["…"].',
            )
        )
        return
    if all(path_exists(path, table, tables) for path in key.paths):
        yield _key(table, "natural_key", key.paths)


def key_of_fixtures(table: Table, model: ProbeModel | None, tables: Mapping[str, Table]) -> tuple[Path, ...]:
    """The paths of the natural key by which `loaddata` finds rows of the model; () if it has none, or none that is proved."""
    key = model.natural_key if model is not None else None
    if key is None or key.paths is None or not key.on_manager or not key.flat:
        return ()
    return key.paths if all(path_exists(path, table, tables) for path in key.paths) else ()


def _unique_constraints(table: Table) -> Iterator[NaturalKey]:
    total = [
        unique
        for unique in table.unique_keys
        if not unique.partial
        and unique.columns
        and (not unique.nulls_distinct or not any(table.column(column).nullable for column in unique.columns))
    ]
    uuids = [
        unique
        for unique in total
        if len(unique.columns) == 1 and table.column(unique.columns[0]).logical_type == "uuid"
    ]
    completed = [unique for unique in table.unique_keys if is_completed(table, unique)]
    for group in ([unique for unique in total if unique not in uuids], completed):
        for unique in sorted(group, key=lambda unique: (len(unique.columns), unique.columns)):
            yield _key(table, "unique", tuple((column,) for column in unique.columns))
    if table.primary_key and (
        not _is_surrogate(table)
        or reference_of(table, table.primary_key[0]) is not None
        or table.primary_key[0] in table.soft_columns
    ):
        # A primary key that is no counter (a code, a UUID, a composite) is a business key. One that is a foreign key (to
        # the parent's row in multi-table inheritance) or a declared id stands for the key of that row.
        yield _key(table, "unique", tuple((column,) for column in table.primary_key))
    for unique in uuids:
        yield _key(table, "uuid", tuple((column,) for column in unique.columns))


def is_completed(table: Table, unique: UniqueKey) -> bool:
    """Whether a unique constraint with one nullable column is completed by another one for the rows in which it is NULL.

    `(owner, name)` does not apply to rows without an owner. Together with `name WHERE owner IS NULL` it is a key of all
    rows, in which NULL counts as a value.
    """
    nullable = [column for column in unique.columns if table.column(column).nullable]
    if len(nullable) != 1 or not unique.nulls_distinct:
        return False
    if unique.partial and (unique.where_null or unique.where_filled != tuple(nullable)):
        return False
    others = set(unique.columns).difference(nullable)
    return any(
        rest.partial
        and rest.where_null == tuple(nullable)
        and not rest.where_filled
        and others.issuperset(rest.columns)
        for rest in table.unique_keys
    )


def _is_surrogate(table: Table) -> bool:
    """Whether the primary key is one integer: a counter, or the link to a parent row."""
    if len(table.primary_key) != 1:
        return False
    column = table.column(table.primary_key[0])
    return column.identity != "" or column.logical_type == "integer"


def path_exists(path: Path, table: Table, tables: Mapping[str, Table]) -> bool:
    """Whether each column of a path exists, and all but the last are foreign keys to the next one's table."""
    here = table
    for position, name in enumerate(path):
        if not any(column.name == name for column in here.columns):
            return False
        if position < len(path) - 1:
            reference = reference_of(here, name)
            if reference is None or reference.target not in tables:
                return False
            here = tables[reference.target]
    return True


def _key(table: Table, source: str, paths: tuple[Path, ...]) -> NaturalKey:
    names = {column.name: column.field or column.name for column in table.columns}
    readable = ", ".join(".".join([names.get(path[0], path[0]), *path[1:]]) for path in paths)
    return NaturalKey.model_validate({"source": source, "paths": paths, "readable": readable})


def _distinct(keys: Sequence[NaturalKey]) -> tuple[NaturalKey, ...]:
    """The keys without those that repeat the columns of a better one; a surrogate always stays."""
    seen: set[tuple[Path, ...]] = set()
    distinct = []
    for key in keys:
        if key.paths not in seen or key.source == "surrogate":
            seen.add(key.paths)
            distinct.append(key)
    return tuple(distinct)


def _without_cycles(
    tables: Mapping[str, Table], candidates: dict[str, tuple[NaturalKey, ...]], findings: list[Finding]
) -> dict[str, tuple[NaturalKey, ...]]:
    """The candidates without those that contain themselves. Longer cycles are found in `keys/`, when the chosen keys are known."""
    kept = {}
    for table_id, keys in candidates.items():
        table = tables[table_id]
        good = []
        for key in keys:
            if key.source != "surrogate" and any(_nested_in_itself(path, table) for path in key.paths):
                findings.append(
                    make_finding(
                        "natural-key-cycle",
                        table.label,
                        f"The key ({key.readable}) follows a reference to the same model. It is not used.",
                        severity="info" if key.source == "unique" else "warning",
                        fix=f'Declare another: [natural_keys] "{table.label}" = ["…"].',
                    )
                )
            else:
                good.append(key)
        kept[table_id] = tuple(good)
    return kept


def _nested_in_itself(path: Path, table: Table) -> bool:
    reference = reference_of(table, path[0])
    return len(path) == 1 and reference is not None and reference.target == table.id


def as_declared_now(key: NaturalKey, table: Table, tables: Mapping[str, Table]) -> NaturalKey:
    """A snapshot's key by what is declared now: a primary key that was a counter may be known to be an id of another row."""
    if key.source == "surrogate" and len(table.primary_key) == 1 and table.primary_key[0] in table.soft_columns:
        return key.model_copy(update={"source": "unique", "by_meaning": True})
    return with_marked_ids(key, table, tables)


def with_marked_ids(key: NaturalKey, table: Table, tables: Mapping[str, Table]) -> NaturalKey:
    """The key with a mark on its parts that are ids without a foreign key: the same id means another row in another system."""
    if key.source == "surrogate":
        return key
    for path in key.paths:
        here: Table | None = table
        for name in path[:-1]:
            reference = reference_of(here, name) if here is not None else None
            here = tables.get(reference.target) if reference is not None else None
        if here is not None and holds_ids_without_foreign_key(here, path[-1]):
            return key.model_copy(update={"by_meaning": True})
    return key


def holds_ids_without_foreign_key(table: Table, column: str) -> bool:
    """Whether a column's values are ids of rows without a foreign key to them."""
    return reference_of(table, column) is None and (
        generic_of(table, column) is not None or column in table.soft_columns
    )


def generic_of(table: Table, column: str) -> GenericReference | None:
    """The generic reference whose object id a column is; None if it is none."""
    for reference in table.references:
        if isinstance(reference, GenericReference) and reference.object_id_column == column:
            return reference
    return None


def reference_of(table: Table, column: str) -> ForeignReference | None:
    """The single-column foreign key on a column; None if it has none."""
    for reference in table.references:
        if (
            isinstance(reference, ForeignReference)
            and reference.columns == (column,)
            and len(reference.target_columns) == 1
        ):
            return reference
    return None
