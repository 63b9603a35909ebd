"""Rows whose values hold ids of other rows, without a foreign key: all the places of them in a paperless-ngx.

Views' columns, sort orders and filter rules of every type; queries over fields; links between documents; values that
workflows assign; people's settings; background tasks. Runs in paperless's Python, after `django.setup()`.
"""

import json
import random
from typing import Any

from django.contrib.auth.models import User
from surroundings import WHEN, Surroundings

from documents.models import (
    CustomFieldInstance,
    Document,
    PaperlessTask,
    SavedView,
    SavedViewFilterRule,
    UiSettings,
    Workflow,
    WorkflowAction,
    WorkflowActionEmail,
    WorkflowActionWebhook,
    WorkflowRun,
    WorkflowTrigger,
)

# What the web interface writes for "not assigned", where an id could stand.
NO_ROW = "-1"


def make_rows_with_ids(documents: list[Document], around: Surroundings, rng: random.Random) -> None:
    """Make all of them."""
    _links(documents, around, rng)
    views = [_view(number, documents, around, rng) for number in range(6)]
    _every_type_of_rule(views[0], documents, around, rng)
    _workflows(documents, around, rng)
    _settings(views, around, rng)
    _tasks(documents, around)


def _links(documents: list[Document], around: Surroundings, rng: random.Random) -> None:
    for position, document in enumerate(documents[::7]):
        ids = [one.pk for one in rng.sample(documents, rng.randint(0, 4))]
        field = around.fields["shared link" if position % 2 else "documentlink"]
        CustomFieldInstance.objects.create(document=document, field=field, value_document_ids=ids)
    CustomFieldInstance.objects.create(
        document=documents[1], field=around.fields["shared number"], value_int=documents[0].pk
    )


def _view(number: int, documents: list[Document], around: Surroundings, rng: random.Random) -> SavedView:
    fields = sorted(around.fields.values(), key=lambda field: field.pk)
    field = fields[number % len(fields)]
    view = SavedView.objects.create(
        name=f"{around.label} view {number} 一覧",
        sort_field=f"custom_field_{field.pk}" if number % 2 else "created",
        display_fields=["title", f"custom_field_{fields[-1 - number].pk}", "tag", f"custom_field_{field.pk}"],
        page_size=number or None,
        owner=around.users[number % len(around.users)],
    )
    SavedViewFilterRule.objects.create(saved_view=view, rule_type=6, value=str(around.tags[number].pk))
    SavedViewFilterRule.objects.create(saved_view=view, rule_type=21, value=str(rng.choice(documents).pk))
    return view


def query_over_fields(documents: list[Document], around: Surroundings, rng: random.Random) -> list[Any]:
    """A query as deep as the web interface builds them: fields by id, documents in the values of links."""
    fields = around.fields
    linked = [one.pk for one in rng.sample(documents, 2)]
    return [
        "OR",
        [
            [fields["shared number"].pk, "gt", 3],
            ["AND", [[fields["documentlink"].pk, "contains", linked], [fields["float"].pk, "range", [1.0, 2.5]]]],
            [fields["select"].pk, "in", [f"{around.label}option1"]],
            ["NOT", [fields["string"].pk, "exists", "false"]],
        ],
    ]


def _every_type_of_rule(view: SavedView, documents: list[Document], around: Surroundings, rng: random.Random) -> None:
    correspondent, kind, tag, path = (
        str(rng.choice(rows).pk) for rows in (around.correspondents, around.types, around.tags, around.paths)
    )
    person, field = str(around.users[3].pk), str(around.fields["date"].pk)
    short_query = json.dumps(
        [
            "OR",
            [
                [around.fields["shared link"].pk, "contains", [documents[2].pk]],
                [around.fields["url"].pk, "exists", "true"],
            ],
        ]
    )
    values = {
        **dict.fromkeys((3, 26, 27), correspondent),
        **dict.fromkeys((4, 28, 29), kind),
        **dict.fromkeys((6, 17, 22), tag),
        **dict.fromkeys((25, 30, 31), path),
        **dict.fromkeys((32, 33, 35, 37), person),
        **dict.fromkeys((38, 39, 40), field),
        21: str(documents[3].pk),
        42: short_query,
        # Numbers that are no ids, though rows of every model have them.
        **dict.fromkeys((2, 10, 11, 12, 23, 24), "3"),
        **dict.fromkeys((5, 7, 18, 34, 41), "true"),
        **dict.fromkeys((8, 9, 13, 14, 15, 16, 43, 44, 45, 46), "2026-01-02"),
        **dict.fromkeys((0, 1, 19, 20, 36, 47, 48, 49), "12"),
    }
    missing = {number for number, _ in SavedViewFilterRule.RULE_TYPES} - values.keys()
    assert not missing, f"new types of filter rules: {missing}"
    for number, value in sorted(values.items()):
        SavedViewFilterRule.objects.create(saved_view=view, rule_type=number, value=value)
    SavedViewFilterRule.objects.create(saved_view=view, rule_type=3, value=None)
    SavedViewFilterRule.objects.create(saved_view=view, rule_type=26, value=NO_ROW)


def _workflows(documents: list[Document], around: Surroundings, rng: random.Random) -> None:
    fields = around.fields
    for number in range(1, 4):
        trigger = WorkflowTrigger.objects.create(
            type=number,
            sources="1,2",
            filter_has_correspondent=around.correspondents[number],
            filter_mailrule=around.rules[0],
            filter_custom_field_query=json.dumps(query_over_fields(documents, around, rng)) if number > 1 else None,
            schedule_date_custom_field=fields["date"],
        )
        trigger.filter_has_tags.set(around.tags[:number])
        trigger.filter_has_not_document_types.set(around.types[:2])
        email = WorkflowActionEmail.objects.create(
            subject=f"{around.label} {number}", body="{{ doc_title }}", to="a@b.c"
        )
        webhook = WorkflowActionWebhook.objects.create(
            url=f"http://localhost/{around.label}/{number}", params={"share": 1.0, "tiny": 1e-7}, headers={"X-Key": "s"}
        )
        action = WorkflowAction.objects.create(
            assign_title=f"{around.label} {{{{ created }}}} {number}",
            assign_owner=around.users[number],
            email=email,
            webhook=webhook,
            assign_custom_fields_values={
                str(fields["integer"].pk): 5,
                str(fields["documentlink"].pk): [documents[number].pk, documents[number + 5].pk],
                str(fields["float"].pk): 2.0,
            },
        )
        action.assign_tags.set(around.tags[number : number + 2])
        action.assign_custom_fields.set([fields["integer"], fields["documentlink"], fields["float"]])
        action.assign_view_users.set(around.users[:2])
        workflow = Workflow.objects.create(name=f"{around.label} workflow {number}", order=number)
        workflow.triggers.set([trigger])
        workflow.actions.set([action])
        for position in range(3):
            WorkflowRun.objects.create(workflow=workflow, type=number, document=documents[position * number])


def _settings(views: list[SavedView], around: Surroundings, rng: random.Random) -> None:
    for position, user in enumerate(around.users):
        shown = [view.pk for view in rng.sample(views, 3)]
        UiSettings.objects.update_or_create(
            user=user,
            defaults={
                "settings": {
                    "language": "",
                    "documentListSize": 50,
                    "zoom": 1.0,
                    "ratio": 0.1,
                    "tiny": 1e-300,
                    "saved_views": {
                        "warn_on_unsaved_change": True,
                        "dashboard_views_visible_ids": sorted(shown),
                        "sidebar_views_visible_ids": sorted(shown[:2]),
                        "dashboard_views_sort_order": shown,
                        "sidebar_views_sort_order": shown[:2],
                    },
                    "permissions": {
                        "default_owner": user.pk if position % 2 else None,
                        "default_view_users": [one.pk for one in around.users[:2]],
                        "default_view_groups": [around.groups[1].pk],
                        "default_edit_users": [],
                        "default_edit_groups": [around.groups[0].pk],
                    },
                }
            },
        )
    User.objects.filter(pk=around.users[0].pk).update(last_login=WHEN)


def _tasks(documents: list[Document], around: Surroundings) -> None:
    """Background work that is done: what came in with which overrides, and what became of it."""
    fields = around.fields
    for number, document in enumerate(documents[:12]):
        PaperlessTask.objects.create(
            task_id=f"{around.label}-{number:04}",
            task_type="consume_file",
            trigger_source="web_ui",
            status="success",
            date_created=WHEN,
            duration_seconds=1.25 + number,
            owner=around.users[number % len(around.users)],
            input_data={
                "filename": "scan.pdf",
                "mailrule_id": around.rules[number % 3].pk,
                "overrides": {
                    "title": "7",
                    "correspondent_id": around.correspondents[number % 5].pk,
                    "document_type_id": around.types[number % 4].pk,
                    "storage_path_id": around.paths[number % 3].pk,
                    "tag_ids": [tag.pk for tag in around.tags[:2]],
                    "owner_id": around.users[0].pk,
                    "view_users": [around.users[1].pk],
                    "change_groups": [around.groups[0].pk],
                    "custom_fields": {str(fields["integer"].pk): 1, str(fields["documentlink"].pk): [documents[0].pk]},
                },
            },
            result_data={"document_id": document.pk} if number % 2 else {"duplicate_of": document.pk, "score": 1.0},
        )
