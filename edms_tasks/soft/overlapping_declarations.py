"""Check that several declarations for one column or text do not overlap: each value is read in one way only."""

from __future__ import annotations

from edms_tasks.inventory.model import ForeignReference, GenericReference, IdPlace, Reference, SoftReference
from edms_tasks.soft.declared_names import invalid
from edms_tasks.soft.soft_conditions import excluding


def require_together(reference: SoftReference, other: Reference, where: str) -> None:
    """Several paths into one column's JSON, and several patterns or tags of one string, can stand together.

    So can declarations for different rows. Nothing else can: a value can be read in one way only.
    """
    if isinstance(other, SoftReference):
        if other.column == reference.column:
            for one in reference.places:
                for another in other.places:
                    _require_places(reference, one, another, where)
    elif isinstance(other, ForeignReference) and reference.column in other.columns:
        raise invalid(where, f"{reference.column!r} is already a reference.", "It is a foreign key, and is followed.")
    elif isinstance(other, GenericReference) and reference.column in (
        other.content_type_column,
        other.object_id_column,
    ):
        raise invalid(
            where,
            f"{reference.column!r} is already a reference.",
            f"It is part of the generic reference {other.name!r}.",
        )


def _require_places(reference: SoftReference, one: IdPlace, other: IdPlace, where: str) -> None:
    if one.where != other.where:
        if excluding(one.where, other.where):
            return
        if not one.where or not other.where:
            why = "One of the two declarations has no `where`, so it is for all rows."
        else:
            why = "A row can meet the conditions of both."
        raise invalid(where, "Two declarations of the column are for the same rows.", why)
    if bool(one.path) != bool(other.path) or (
        not one.path and (one.form != other.form or one.form in ("value", "list"))
    ):
        raise invalid(where, "The column is declared twice.", "A value can be read in one way only.")
    if (one.path, one.expression, one.form, one.part) == (other.path, other.expression, other.form, other.part):
        raise invalid(where, f"{one.path or one.expression!r} is declared twice.", "An id leads to one model only.")
    if one.path == other.path and (one.form != other.form or one.form in ("value", "list")):
        raise invalid(where, f"{one.path!r} is declared twice.", "A value can be read in one way only.")
