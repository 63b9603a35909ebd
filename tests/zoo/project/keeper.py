"""Open the zoo or let it grow: `python keeper.py fill` makes the tables and the rows, `python keeper.py grow` adds some.

`python keeper.py build` makes the tables alone. Prints JSON: for `fill` what belongs to each trait, for `grow` what went wrong with
each trait ("" for nothing).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from types import ModuleType


def main(mode: str) -> None:
    """Do what the mode says, and print."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "zoo_settings"
    import django

    django.setup()
    sys.stdout.write(json.dumps({"fill": _fill, "build": _build, "grow": _grow}[mode]()))


def _build() -> dict[str, object]:
    from django.contrib.contenttypes.models import ContentType
    from django.core.management import call_command

    call_command("migrate", "auth", verbosity=0)  # what the zoo's tables refer to must be there before them
    call_command("migrate", run_syncdb=True, verbosity=0)
    ContentType.objects.all().delete()
    return {}


def _fill() -> dict[str, object]:
    from django.core.management import call_command

    call_command("migrate", "auth", verbosity=0)  # what the zoo's tables refer to must be there before them
    call_command("migrate", run_syncdb=True, verbosity=0)
    for _, trait in _traits():
        trait.fill()
    return {name: _belongings(trait) for name, trait in _traits()}


def _grow() -> dict[str, str]:
    from django.db import transaction

    problems = {}
    for name, trait in _traits():
        try:
            with transaction.atomic():
                trait.grow()
            problems[name] = ""
        except Exception as error:
            problems[name] = f"{type(error).__name__}: {error}"
    return problems


def _traits() -> Iterator[tuple[str, ModuleType]]:
    from django.apps import apps

    for app in apps.get_app_configs():
        yield from getattr(app.models_module, "TRAITS", {}).items()


def _belongings(trait: ModuleType) -> dict[str, object]:
    """The tables and the views of a trait, each with its model's label if it has one, and where its models point."""
    from django.apps import apps

    views = dict.fromkeys(getattr(trait, "VIEWS", ()))
    tables: dict[str, str | None] = dict.fromkeys(getattr(trait, "TABLES", ()))
    references: dict[str, dict[str, str]] = {}
    for model in apps.get_models(include_auto_created=True):
        owner = model._meta.auto_created or model
        if owner.__module__ == trait.__name__ and not model._meta.proxy:
            (views if model._meta.db_table in views else tables)[model._meta.db_table] = model._meta.label
            references[model._meta.label] = _references(model)
    return {"tables": tables, "views": views, "references": references}


def _references(model: type) -> dict[str, str]:
    """Column of a foreign key -> model's label; name of a generic one -> "anything"."""
    from django.contrib.contenttypes.fields import GenericForeignKey

    found = {}
    for field in model._meta.local_fields:
        if field.many_to_one or field.one_to_one:
            found[field.column] = field.related_model._meta.concrete_model._meta.label
    for field in model._meta.private_fields:
        if isinstance(field, GenericForeignKey):
            found[field.name] = "anything"
    # A ForeignObject over several columns has no column of its own; it is nobody's to know outside Django.
    return {name: target for name, target in found.items() if name is not None}


if __name__ == "__main__":
    main(sys.argv[1])
