"""What the doctor says of each trait of the zoo: subject -> code -> count, worked out from the trait's own rows."""

from __future__ import annotations

Said = dict[str, dict[str, int]]


def _keyless(*models: str) -> Said:
    return {f"zoo.{model}": {"no-natural-key": 1} for model in models}


DIAGNOSES: dict[str, Said] = {
    "natural_key_cycle": {
        # Both keys hold the id of a row of the other model, and neither lookup takes an id: none of the 3 + 6 is found.
        "zoo.Team": {"natural-key-cycle": 1, "lookup-finds-nothing": 3},
        "zoo.Player": {"natural-key-holds-an-id": 1, "lookup-finds-nothing": 6},
    },
    "natural_key_lookup_on_the_model": {"zoo.Department": {"lookup-on-the-model": 1}},
    # Draft, draft and DRAFT all find the first of them.
    "natural_key_lookup_that_finds_another": {"zoo.Term": {"lookup-finds-another": 2}},
    "natural_key_lookup_that_raises": {"zoo.Machine": {"lookup-raises": 2}},
    "natural_key_of_another_arity": {"zoo.Form": {"lookup-of-another-arity": 3}},
    "natural_key_of_varying_length": {"zoo.Room": {"natural-key-unusable": 1}},
    "natural_key_that_equals_the_pk_by_chance": {"zoo.Position": {"lookup-missing": 1, "natural-key-unconstrained": 1}},
    "natural_key_that_holds": {},
    "natural_key_that_holds_a_foreign_pk": {**_keyless("Binder"), "zoo.Page": {"natural-key-holds-an-id": 1}},
    "natural_key_that_holds_the_pk": {"zoo.Version": {"natural-key-unusable": 1}},
    "natural_key_that_is_an_assigned_pk": {"zoo.Account": {"natural-key-is-the-primary-key": 1}},
    "natural_key_that_is_computed": {"zoo.Sop": {"natural-key-unusable": 1}},
    "natural_key_that_is_no_tuple": {"zoo.Language": {"natural-key-unusable": 1}},
    "natural_key_that_is_the_pk": {"zoo.Ticket": {"natural-key-is-the-primary-key": 1}},
    "natural_key_that_raises": {"zoo.Chapter": {"natural-key-unusable": 1}},
    # A hammer and a saw without an owner. Owner has no natural_key(), so Django does not put it first by itself.
    "natural_key_through_a_nullable_reference": {"zoo.Tool": {"natural-key-nulls": 2, "natural-key-dependencies": 1}},
    "natural_key_through_itself": {"zoo.Folder": {"natural-key-cycle": 1}},
    "natural_key_with_a_null_part": {"zoo.Badge": {"natural-key-nulls": 1}},
    "natural_key_with_duplicates": {"zoo.Shelf": {"natural-key-duplicates": 3}},
    "natural_key_with_many_null_parts": {"zoo.Passport": {"natural-key-duplicates": 2}},
    "natural_key_without_constraint": {"zoo.Invoice": {"natural-key-unconstrained": 1}},
    "natural_key_without_dependencies": {"zoo.City": {"natural-key-dependencies": 1}},
    "natural_key_without_lookup": {"zoo.Supplier": {"lookup-missing": 1}},
    "natural_key_without_rows": {"zoo.Holiday": {"natural-key-unconstrained": 1}},
    "lookup_without_natural_key": {"zoo.Warehouse": {"natural-key-missing": 1, "no-natural-key": 1}},
    "automatic_times": _keyless("Entry"),
    "char_primary_key": _keyless("Price"),
    "composite_primary_key": _keyless("Annotation"),
    "conditional_unique": {"zoo.Template": {"natural-key-duplicates": 4}},
    "emptied_table": _keyless("Draft"),
    "every_field": _keyless("Everything"),
    "gaps_in_ids": _keyless("Letter"),
    "generated_key": _keyless("Keyword", "Tagging"),
    "generic_references": {
        **_keyless("Note", "Trace", "Sighting", "LookAlike"),
        "zoo.Note.target": {"dangling-reference": 1},
        "zoo.Trace.target": {"dangling-reference": 1},
        "zoo.LookAlike.content_type + object_id": {"generic-look-alike": 2},
    },
    "indexes": _keyless("Ledger"),
    "nullable_unique": _keyless("Vehicle", "Seat"),
    "proxy_model": _keyless("Mention"),
    "quoted_table_name": _keyless("Pointer"),
    "singleton": _keyless("SiteSettings"),
    # Two of three contracts are deleted for people, and for the lookup.
    "soft_deletion": {"zoo.Contract": {"lookup-finds-nothing": 2}},
    "table_without_model": {
        'Zoo "stray" 100%': {"table-without-model": 1},
        "zoo_keyless": {"table-without-model": 1, "no-natural-key": 1},
    },
    "tree_columns": _keyless("Cabinet"),
    "triggers": _keyless("Trail"),
    "unenforced_reference": {"zoo.Box.archive_id": {"dangling-reference": 1}},
    "views": {"zoo.HeavyShipment": {"model-without-table": 1}},
    "arrays": {"zoo_postgresql.Matrix": {"no-natural-key": 1}},
    "case_insensitive_text": {"zoo_postgresql.Greeting": {"no-natural-key": 1}},
    "key_value_store": {"zoo_postgresql.Properties": {"no-natural-key": 1}},
    "materialized_views": {"zoo_postgresql.Measurement": {"no-natural-key": 1}},
    "ranges": {"zoo_postgresql.Booking": {"no-natural-key": 1}},
}
"""A trait that is not here is healthy: nothing is said of it."""

ERRORS: set[str] = set()
"""Subjects of errors: the zoo's animals are odd, and each can be backed up and restored all the same."""
