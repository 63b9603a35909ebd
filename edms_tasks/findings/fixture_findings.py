"""Findings about what Django's fixtures do not hold of a snapshot."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "fixture-value-lost",
        ("error",),
        "The fixture does not hold these values as they are: Django's field has no such value, or `loaddata` reads it as another or "
        "refuses it. Examples: `infinity` as a date, a decimal NaN, JSON with the number 1.10, text in a column of numbers; in XML "
        "texts with blanks around them. They are written as near as possible.",
        "Correct the values at the source, choose another format (JSON Lines holds the most), or restore the snapshot instead.",
    ),
    Kind(
        "fixture-value-unknown",
        ("warning",),
        "Whether the EDMS's field reads these values as they are is not known: the column has a type that no field of Django's own has, "
        "such as an enum or tsvector, and is written as the database's text; or a decimal on SQLite has more than 15 digits.",
        "Load the fixture into a test system, and compare the column.",
    ),
    Kind(
        "fixture-value-of-one-engine",
        ("warning",),
        "Values that only the snapshot's engine takes: NUL characters (SQLite), NaN (PostgreSQL). They load into that engine as they were.",
        "Correct them before the fixture is loaded into another engine.",
    ),
    Kind(
        "fixture-column-left-out",
        ("error",),
        "A column of a model's table has values and no field of the model has it, so no fixture can hold it.",
        "Copy the column by other means, or restore the snapshot instead.",
    ),
    Kind(
        "fixture-table-left-out",
        ("error", "warning"),
        "A table has rows and no model owns it, so no fixture can hold it. It is a warning for tables of extensions and of search indexes, "
        "which are made again.",
        "Copy the table by other means, or restore the snapshot instead.",
    ),
    Kind(
        "fixture-model-left-out",
        ("info",),
        "A model was left out, as asked.",
    ),
    Kind(
        "fixture-files-left-out",
        ("error", "info"),
        "The files of a root are not beside the fixture, because its target is a single file. It is information if they were left out as "
        "asked.",
        "Name a folder as the target, or say `--without-files`.",
    ),
    Kind(
        "fixture-reference-outside",
        ("warning", "error"),
        "Rows refer to rows that are not in the fixture: of models that were left out (a warning, as they may be in the target), or that "
        "do not exist. `loaddata` refuses the whole fixture if it does not find them and the database has the constraint.",
        "Export these models too, load them before, or write references by natural key (`--natural-foreign`).",
    ),
    Kind(
        "fixture-ids-left-out",
        ("error",),
        "Rows were written without ids (`--natural-primary`), and other rows hold ids in generic references, or in columns without a "
        "foreign key. These lead elsewhere when the rows get other ids.",
        "Export without `--natural-primary`.",
    ),
    Kind(
        "fixture-key-unknown",
        ("error",),
        "The model's primary key is not known from the snapshot: its table has none, or one of several columns, and the Django of the EDMS "
        "has no such keys (they came with 5.2). Its rows are written without one, or with a list that `loaddata` refuses.",
        "Correct the model or its table at the source, or restore the snapshot instead.",
    ),
    Kind(
        "fixture-zone-assumed",
        ("warning",),
        "The snapshot, of an early release, does not say in which time zone the EDMS keeps times on SQLite. UTC was assumed, which is "
        "Django's default. With `USE_TZ` off, `loaddata` refuses the fixture.",
        "Make a new snapshot, and export that one.",
    ),
    Kind(
        "fixture-schema-left-out",
        ("info",),
        "Fixtures hold rows alone. Tables, indexes, triggers, views and roles come from the EDMS's migrations; ids of links of "
        "many-to-many fields and positions of sequences are given anew by `loaddata`.",
    ),
)
