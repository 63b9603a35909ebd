"""Findings about natural keys and the methods of the EDMS that read and write them."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "no-natural-key",
        ("info",),
        "The table has no natural key. Its rows are restored exactly; a merge can identify them only by all their values.",
        "If the rows have a business key, declare it under [natural_keys].",
    ),
    Kind(
        "natural-key-duplicates",
        ("warning", "error"),
        "Several rows have the same key, which the settings, the model or a constraint declares to be unique. The next candidate is "
        "used.",
        "Fix the rows, or declare another key under [natural_keys].",
    ),
    Kind(
        "natural-key-cycle",
        ("info", "warning", "error"),
        "The key follows references that lead back to the model itself. It is not used.",
        "Declare another key under [natural_keys].",
    ),
    Kind(
        "natural-key-unusable",
        ("warning",),
        "The model's natural_key() fails, or returns something that is not a set of columns. It is not used.",
        "Fix the method in the EDMS, or declare a key under [natural_keys].",
    ),
    Kind(
        "natural-key-is-the-primary-key",
        ("info", "warning"),
        "The model's natural_key() returns the primary key.",
        "Nothing needs to be done if the primary key is not a counter. Otherwise declare another key under [natural_keys].",
    ),
    Kind(
        "natural-key-nulls",
        ("warning",),
        "Rows have a NULL in their key. No two are equal today, but no constraint of the database keeps it so.",
        "Fill in the value, or make its field NOT NULL in the EDMS.",
    ),
    Kind(
        "natural-key-unconstrained",
        ("warning",),
        "No constraint keeps the key unique. It is unique today and may not be tomorrow.",
        "Add the constraint to the model in the EDMS.",
    ),
    Kind(
        "natural-key-holds-an-id",
        ("warning",),
        "natural_key() returns the id of another row. That id is a different one in another system.",
        "Return that row's natural key instead.",
    ),
    Kind(
        "natural-key-missing",
        ("warning",),
        "The model has get_by_natural_key but no natural_key(), so nothing writes the keys that it could find.",
        "Add natural_key() to the model in the EDMS.",
    ),
    Kind(
        "natural-key-dependencies",
        ("info", "warning"),
        "The key follows references to models that natural_key.dependencies does not name. `loaddata` may load rows in the wrong order.",
        "Name the models in natural_key.dependencies.",
    ),
    Kind(
        "lookup-missing",
        ("warning",),
        "The model has natural_key() but no get_by_natural_key: `loaddata` cannot read what `dumpdata` writes.",
        "Add get_by_natural_key to the default manager in the EDMS, with a parameter for each part of the key.",
    ),
    Kind(
        "lookup-on-the-model",
        ("warning",),
        "get_by_natural_key is on the model. Django looks for it on the default manager, so `loaddata` fails.",
        "Move it to a Manager subclass in the EDMS, and set `objects = ThatManager()` on the model.",
    ),
    Kind(
        "lookup-of-another-arity",
        ("warning",),
        "get_by_natural_key takes a different number of parts than natural_key() returns.",
        "Give get_by_natural_key one parameter for each part that natural_key() returns.",
    ),
    Kind(
        "lookup-raises",
        ("warning",),
        "get_by_natural_key raises an error for keys of existing rows.",
        "Fix the method in the EDMS. The examples show the error.",
    ),
    Kind(
        "lookup-finds-nothing",
        ("warning",),
        "get_by_natural_key does not find existing rows by their own keys. `loaddata` would create them twice.",
        "Let it search all rows, hidden and soft-deleted ones too, by exactly the values that natural_key() returns.",
    ),
    Kind(
        "lookup-finds-another",
        ("warning",),
        "get_by_natural_key finds other rows by the keys of existing rows. `loaddata` would overwrite what it finds.",
        "Let it compare exactly what natural_key() returns, and make that unique.",
    ),
)
