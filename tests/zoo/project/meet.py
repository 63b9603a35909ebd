"""One of two systems that meet in a merge: `python meet.py build`, `python meet.py fill mine` (or `theirs`), `python meet.py say`.

Prints JSON: for `build` what each trait declares, for `say` what its rows say by names instead of ids.
"""

from __future__ import annotations

import json
import os
import sys


def main(mode: str, *arguments: str) -> None:
    """Do what the mode says, and print."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "meeting_settings"
    import django

    django.setup()
    sys.stdout.write(json.dumps({"build": _build, "fill": _fill, "say": _say}[mode](*arguments)))


def _build() -> dict[str, object]:
    from django.core.management import call_command
    from meeting.models import TRAITS

    for trait in TRAITS.values():
        getattr(trait, "before", lambda: None)()
    call_command("migrate", run_syncdb=True, verbosity=0)
    for trait in TRAITS.values():
        getattr(trait, "after", lambda: None)()
    declared = [one for trait in TRAITS.values() for one in getattr(trait, "DECLARED", ())]
    keys = {model: key for trait in TRAITS.values() for model, key in getattr(trait, "KEYS", {}).items()}
    return {"soft_references": declared, "natural_keys": keys}


def _fill(side: str) -> dict[str, object]:
    """The two have other ids for the same names, also of the content types, which are in the opposite order."""
    from django.apps import apps
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection, transaction
    from meeting.models import TRAITS

    names = {"mine": ("ann", "bob", "cid"), "theirs": ("dan", "cid", "bob")}[side]
    Permission.objects.all().delete()
    ContentType.objects.all().delete()
    models = sorted(apps.get_models(), key=lambda model: model._meta.label, reverse=side == "theirs")
    for number, model in enumerate(models, 1):
        ContentType.objects.create(id=number, app_label=model._meta.app_label, model=model._meta.model_name)
    ContentType.objects.clear_cache()
    with transaction.atomic():
        for trait in TRAITS.values():
            trait.fill(names)
    with connection.cursor() as cursor:
        from django.core.management.color import no_style

        for statement in connection.ops.sequence_reset_sql(no_style(), [m for m in models if m._meta.managed]):
            cursor.execute(statement)
    return {}


def _say() -> dict[str, object]:
    from meeting.models import TRAITS

    return {name: trait.say() for name, trait in TRAITS.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
