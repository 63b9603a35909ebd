"""What the product says of each trait: the natural key it chose and why, and the findings, with their counts.

This is the one place for it: who adds a finding to the product adds it here, to the traits that deserve it. A finding
on a field is written as its code and the field: "dangling-reference archive_id".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Says:
    """What is said of one model or table."""

    source: str  # where the key comes from; "none" for no key, not even a surrogate
    paths: tuple[str, ...]  # columns; what stands before a dot is a reference that is followed
    findings: dict[str, int] = field(default_factory=dict)  # code -> count

    def and_finds(self, **findings: int) -> Says:
        """The same key with findings; their codes with underscores."""
        return replace(self, findings=self.findings | {code.replace("_", "-"): n for code, n in findings.items()})


def declared(*paths: str) -> Says:
    """The model's own `natural_key()`."""
    return Says("natural_key", paths)


def unique(*paths: str) -> Says:
    """What the database keeps unique."""
    return Says("unique", paths)


def surrogate(*columns: str) -> Says:
    """Nothing but the primary key."""
    return Says("surrogate", columns or ("id",))


KEYLESS = surrogate().and_finds(no_natural_key=1)

_BROKEN_KEYS: dict[str, dict[str, Says]] = {
    "natural_key_cycle": {
        # The cycle is cut at one of the two; the other's key then stands on the pk of the first.
        "zoo.Team": surrogate().and_finds(natural_key_cycle=1),
        "zoo.Player": declared("name", "team_id"),
    },
    "natural_key_lookup_on_the_model": {"zoo.Department": declared("name")},
    "natural_key_lookup_that_finds_another": {"zoo.Term": declared("word")},
    "natural_key_lookup_that_raises": {"zoo.Machine": declared("serial")},
    "natural_key_of_another_arity": {"zoo.Form": declared("number", "revision")},
    "natural_key_of_varying_length": {"zoo.Room": unique("building", "number").and_finds(natural_key_unusable=1)},
    "natural_key_that_equals_the_pk_by_chance": {"zoo.Position": declared("number")},
    "natural_key_that_holds": {"zoo.Author": declared("name"), "zoo.Book": declared("title", "author_id.name")},
    "natural_key_that_holds_a_foreign_pk": {"zoo.Binder": KEYLESS, "zoo.Page": declared("binder_id", "number")},
    "natural_key_that_holds_the_pk": {"zoo.Version": KEYLESS.and_finds(natural_key_unusable=1)},
    "natural_key_that_is_an_assigned_pk": {
        "zoo.Account": surrogate("number").and_finds(natural_key_is_the_primary_key=1, no_natural_key=1)
    },
    "natural_key_that_is_computed": {"zoo.Sop": unique("number").and_finds(natural_key_unusable=1)},
    "natural_key_that_is_no_tuple": {"zoo.Language": KEYLESS.and_finds(natural_key_unusable=1)},
    "natural_key_that_is_the_pk": {"zoo.Ticket": KEYLESS.and_finds(natural_key_is_the_primary_key=1)},
    "natural_key_that_raises": {"zoo.Chapter": unique("title").and_finds(natural_key_unusable=1)},
    "natural_key_through_a_nullable_reference": {
        "zoo.Owner": unique("name"),
        "zoo.Tool": declared("name", "owner_id.name"),
    },
    "natural_key_through_itself": {"zoo.Folder": KEYLESS.and_finds(natural_key_cycle=1)},
    "natural_key_with_a_null_part": {"zoo.Badge": declared("number")},
    # Three shelves on the left, two on the right: three rows beyond the first of each name.
    "natural_key_with_duplicates": {"zoo.Shelf": surrogate().and_finds(natural_key_duplicates=3)},
    "natural_key_with_many_null_parts": {"zoo.Passport": surrogate().and_finds(natural_key_duplicates=2)},
    "natural_key_without_constraint": {"zoo.Invoice": declared("year", "number")},
    "natural_key_without_dependencies": {
        "zoo.City": declared("name", "country_id.code"),
        "zoo.Country": declared("code"),
    },
    "natural_key_without_lookup": {"zoo.Supplier": declared("code")},
    "natural_key_without_rows": {"zoo.Holiday": declared("date")},
    "lookup_without_natural_key": {"zoo.Warehouse": KEYLESS},
}

_STRUCTURES: dict[str, dict[str, Says]] = {
    "automatic_times": {"zoo.Entry": KEYLESS},
    "binary": {"zoo.Attachment": unique("checksum")},
    "char_primary_key": {"zoo.Currency": unique("code"), "zoo.Price": KEYLESS},
    "composite_primary_key": {
        "zoo.Dossier": unique("number"),
        "zoo.Sheet": unique("dossier_id", "page"),
        "zoo.Annotation": KEYLESS,
    },
    # Each of two names is used three times; only among the rows without an owner is it a key. With the owner it is one.
    "conditional_unique": {"zoo.Template": unique("owner", "name").and_finds(natural_key_duplicates=4)},
    "emptied_table": {"zoo.Draft": KEYLESS},
    "every_field": {"zoo.Everything": KEYLESS},
    "gaps_in_ids": {"zoo.Letter": KEYLESS},
    "generated_column": {"zoo.Parcel": unique("code")},
    "generated_key": {"zoo.Keyword": KEYLESS, "zoo.Tagging": KEYLESS},
    "generic_references": {
        "zoo.Plant": unique("name"),
        "zoo.Mineral": unique("code"),
        "zoo.Animal": unique("name"),
        "zoo.Note": Says("surrogate", ("id",), {"no-natural-key": 1, "dangling-reference target": 1}),
        "zoo.Trace": Says("surrogate", ("id",), {"no-natural-key": 1, "dangling-reference target": 1}),
        "zoo.Sighting": KEYLESS,
        "zoo.LookAlike": KEYLESS,
    },
    "indexes": {"zoo.Ledger": KEYLESS},
    "many_to_many_to_self": {
        "zoo.Person": unique("name"),
        "zoo.Person_friends": unique("from_person_id", "to_person_id"),
        "zoo.Person_follows": unique("from_person_id", "to_person_id"),
    },
    "many_to_many_with_columns": {
        "zoo.Label": unique("name"),
        "zoo.Report": unique("number"),
        "zoo.Report_labels": unique("report_id", "label_id"),
        "zoo.Review": unique("report_id", "label_id", "round"),
    },
    # A child is known by the row of its parent, which its primary key is.
    "multi_table_inheritance": {
        "zoo.Asset": unique("number"),
        "zoo.Device": unique("asset_ptr_id"),
        "zoo.Scale": unique("scale of"),
        "zoo.License": unique("asset_ptr_id"),
    },
    "nullable_unique": {"zoo.Vehicle": KEYLESS, "zoo.Seat": KEYLESS},
    "proxy_model": {"zoo.Message": unique("code"), "zoo.Acknowledgement": unique("warning_id"), "zoo.Mention": KEYLESS},
    "quoted_table_name": {"zoo.Capital": unique("name"), "zoo.Quoted": unique("name"), "zoo.Pointer": KEYLESS},
    "reserved_words": {"zoo.Order": unique("select")},
    "self_reference": {"zoo.Task": unique("code")},
    "singleton": {"zoo.SiteSettings": KEYLESS},
    "soft_deletion": {"zoo.Contract": declared("number"), "zoo.Clause": unique("contract_id", "position")},
    "swappable_user": {
        "zoo.Member": declared("email"),
        "zoo.Member_groups": unique("member_id", "group_id"),
        "zoo.Member_user_permissions": unique("member_id", "permission_id"),
    },
    "table_without_model": {
        'Zoo "stray" 100%': unique("code").and_finds(table_without_model=1),
        "zoo_keyless": Says("none", ()).and_finds(table_without_model=1, no_natural_key=1),
    },
    "tree_columns": {"zoo.Cabinet": KEYLESS},
    "triggers": {"zoo.Sample": unique("code"), "zoo.Trail": KEYLESS},
    "two_model_cycle": {"zoo.Chief": unique("name"), "zoo.Office": unique("name")},
    "unenforced_reference": {
        "zoo.Archive": unique("name"),
        "zoo.Box": Says("unique", ("code",), {"dangling-reference archive_id": 1}),
    },
    "unique_uuid": {"zoo.Envelope": Says("uuid", ("token",))},
    "uuid_primary_key": {"zoo.Session": unique("id")},
    "views": {"zoo.Shipment": unique("number"), "zoo.HeavyShipment": Says("none", ()).and_finds(model_without_table=1)},
}

_POSTGRESQL: dict[str, dict[str, Says]] = {
    "another_schema": {
        "zoo_postgresql.Journal": unique("code"),
        "zoo_postgresql.JournalLine": unique("journal_id", "position"),
    },
    "arrays": {"zoo_postgresql.Matrix": KEYLESS},
    "case_insensitive_text": {"zoo_postgresql.Nickname": unique("name"), "zoo_postgresql.Greeting": KEYLESS},
    "key_value_store": {"zoo_postgresql.Properties": KEYLESS},
    "materialized_views": {"zoo_postgresql.Measurement": KEYLESS},
    "ranges": {"zoo_postgresql.Booking": KEYLESS},
    "unique_where_nulls_are_equal": {"zoo_postgresql.Slot": unique("day", "number")},
}

EXPECTED: dict[str, dict[str, Says]] = _BROKEN_KEYS | _STRUCTURES | _POSTGRESQL
"""Trait -> model (or the name of a table that has none) -> what is said of it."""
