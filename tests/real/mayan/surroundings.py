"""What stands around the documents of a Mayan EDMS: people, types, metadata, tags, cabinets, workflows, indexes.

Runs in Mayan's Python, after `django.setup()`.
"""

import json
import random
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.core.files.base import ContentFile
from django.utils import timezone
from ids_with_gaps import with_gaps
from mayan.apps.acls.models import AccessControlList
from mayan.apps.announcements.models import Announcement
from mayan.apps.cabinets.models import Cabinet
from mayan.apps.cabinets.permissions import permission_cabinet_view
from mayan.apps.converter.models import Asset
from mayan.apps.credentials.models import StoredCredential
from mayan.apps.document_indexing.models.index_template_models import IndexTemplate
from mayan.apps.document_states.models.workflow_models import Workflow
from mayan.apps.document_states.models.workflow_state_action_models import WorkflowStateAction
from mayan.apps.document_states.models.workflow_state_escalation_models import WorkflowStateEscalation
from mayan.apps.document_states.models.workflow_state_models import WorkflowState
from mayan.apps.document_states.models.workflow_transition_field_models import WorkflowTransitionField
from mayan.apps.document_states.models.workflow_transition_models import WorkflowTransition
from mayan.apps.document_states.models.workflow_transition_trigger_models import WorkflowTransitionTriggerEvent
from mayan.apps.document_states.permissions import permission_workflow_template_view
from mayan.apps.documents.events import event_document_file_created, event_document_type_changed
from mayan.apps.documents.models.document_type_models import DocumentType, DocumentTypeFilename
from mayan.apps.documents.permissions import (
    permission_document_create,
    permission_document_type_view,
    permission_document_view,
)
from mayan.apps.events.models import EventSubscription
from mayan.apps.linking.models import SmartLink, SmartLinkCondition
from mayan.apps.messaging.models import Message
from mayan.apps.metadata.models.document_type_metadata_type_models import DocumentTypeMetadataType
from mayan.apps.metadata.models.metadata_type_models import MetadataType
from mayan.apps.permissions.models import Role
from mayan.apps.sequences.models import Sequence
from mayan.apps.tags.models import Tag
from mayan.apps.tags.permissions import permission_tag_view
from mayan.apps.web_links.models import WebLink
from small_files import small_file


@dataclass
class Surroundings:
    """What documents are made with."""

    admin: AbstractUser
    users: list[AbstractUser]
    roles: list[Role]
    types: list[DocumentType]
    metadata: list[MetadataType]
    tags: list[Tag]
    cabinets: list[Cabinet]
    workflows: list[Workflow]


def make_surroundings(rng: random.Random, first: int = 1) -> Surroundings:
    """Make all of it, with some made in between and deleted again.

    Args:
        rng: chooses.
        first: the number of the first of each. Systems with other first numbers share the rows of the numbers that both have,
            under other ids.
    """
    admin = get_user_model().objects.filter(is_superuser=True).order_by("pk")[0]
    users = _users(first)
    roles = _roles(users, first)
    types = _document_types(admin, first)
    metadata = _metadata(types, first)
    tags = with_gaps(lambda n: Tag.objects.create(label=f"Tag {n:02} ✓", color=f"#{n:06x}"), 25, first)
    cabinets = _cabinets(first)
    workflows = [_workflow(number, types, first) for number in range(first, first + 3)]
    _actions_with_ids(workflows[0], tags, cabinets, metadata)
    _index(types)
    _links(types)
    _odds_and_ends(admin, users, types, rng)
    for role in roles:
        grant = AccessControlList.objects.grant
        for tag in rng.sample(tags, 3):
            grant(permission=permission_tag_view, role=role, obj=tag, user=admin)
        for cabinet in rng.sample(cabinets, 3):
            grant(permission=permission_cabinet_view, role=role, obj=cabinet, user=admin)
        kind = rng.choice(types)
        grant(permission=permission_document_type_view, role=role, obj=kind, user=admin)
        grant(permission=permission_document_view, role=role, obj=kind, user=admin)
        grant(permission=permission_workflow_template_view, role=role, obj=rng.choice(workflows), user=admin)
    return Surroundings(admin, users, roles, types, metadata, tags, cabinets, workflows)


def _users(first: int) -> list[AbstractUser]:
    model = get_user_model()
    users = with_gaps(
        lambda n: model.objects.create_user(
            f"person{n:02}",
            f"person{n:02}@example.org",
            # Hashing a password takes Django a third of a second, on purpose.
            "päss-1" if n == first else None,
            first_name=f"Ägidius {n}",
            last_name="O'Neil",
        ),
        15,
        first,
    )
    for user in users[:5]:
        EventSubscription.objects.create_for(user=user, stored_event_type=event_document_file_created.stored_event_type)
    return users


def _roles(users: list[AbstractUser], first: int) -> list[Role]:
    roles = []
    for number in range(first, first + 5):
        group = Group.objects.create(name=f"Group {number}")
        group.user_set.set(users[number - first :: 5])
        role = Role.objects.create(label=f"Role {number}")
        role.groups.add(group)
        role.grant(permission=permission_document_create)
        roles.append(role)
    roles.pop(1).delete()
    return roles


def _document_types(admin: AbstractUser, first: int) -> list[DocumentType]:
    def make(number: int) -> DocumentType:
        made = DocumentType(label=f"Type {number} – größer", trash_time_period=number, trash_time_unit="days")
        made._event_actor = admin
        made.save()
        return made

    types = with_gaps(make, 6, first)
    for one in types:
        DocumentTypeFilename.objects.create(document_type=one, filename=f"Quick label of {one.label}")
    return types


def _metadata(types: list[DocumentType], first: int) -> list[MetadataType]:
    metadata = with_gaps(
        lambda n: MetadataType.objects.create(name=f"register{n}", label=f"Field {n}", default=f"default {n}"), 8, first
    )
    for one in types:
        for position, kind in enumerate(metadata):
            DocumentTypeMetadataType.objects.create(document_type=one, metadata_type=kind, required=position == 0)
    return metadata


def _cabinets(first: int) -> list[Cabinet]:
    """Three levels, one branch deleted and one moved, so that the tree's columns are no plain count."""
    cabinets = []
    for root_number in range(first, first + 5):
        root = Cabinet.objects.create(label=f"Cabinet {root_number}")
        cabinets.append(root)
        for drawer_number in range(1, 4):
            drawer = Cabinet.objects.create(label=f"Drawer {drawer_number}", parent=root)
            cabinets.append(drawer)
            for folder_number in range(1, 4):
                cabinets.append(Cabinet.objects.create(label=f"Folder {folder_number}", parent=drawer))
    Cabinet.objects.get(label=f"Cabinet {first + 1}").delete()
    moved = Cabinet.objects.get(label="Drawer 2", parent__label=f"Cabinet {first + 2}")
    moved.move_to(Cabinet.objects.get(label="Drawer 3", parent__label=f"Cabinet {first + 4}"), "first-child")
    return list(Cabinet.objects.order_by("pk"))


def _workflow(number: int, types: list[DocumentType], first: int) -> Workflow:
    workflow = Workflow.objects.create(
        label=f"Workflow {number}", internal_name=f"approval{number}", auto_launch=number < first + 2
    )
    workflow.document_types.set(types[: 2 * (number - first + 1)])
    states = [
        WorkflowState.objects.create(
            workflow=workflow, label=label, initial=position == 0, final=position == 3, completion=position * 33
        )
        for position, label in enumerate(("Draft", "Review", "Approved", "Archived"))
    ]
    for origin, destination in zip(states, states[1:] + states[:1], strict=False):
        transition = WorkflowTransition.objects.create(
            workflow=workflow,
            label=f"{origin.label} to {destination.label}",
            origin_state=origin,
            destination_state=destination,
        )
        WorkflowTransitionField.objects.create(
            transition=transition, name="reason", label="Reason", field_type=1, required=False
        )
    WorkflowTransitionTriggerEvent.objects.create(
        transition=transition, event_type=event_document_type_changed.stored_event_type
    )
    WorkflowStateAction.objects.create(
        state=states[2],
        label="Describe",
        when=1,
        backend_path="mayan.apps.document_states.workflow_actions.DocumentPropertiesEditAction",
        backend_data=json.dumps({"document_label": "", "document_description": "Approved in workflow"}),
    )
    WorkflowStateEscalation.objects.create(
        state=states[1], transition=transition, priority=1, enabled=False, unit="days", amount=3
    )
    return workflow


def _actions_with_ids(
    workflow: Workflow, tags: list[Tag], cabinets: list[Cabinet], metadata: list[MetadataType]
) -> None:
    """Ids inside JSON inside text, as the forms of Mayan's own actions leave them; switched off, so that they stay choices."""
    state = workflow.states.get(label="Archived")
    for action, field, rows in (
        ("tags.workflow_actions.AttachTagAction", "tags", tags[:3]),
        ("cabinets.workflow_actions.CabinetAddAction", "cabinets", cabinets[-2:]),
        ("metadata.workflow_actions.DocumentMetadataAddAction", "metadata_types", metadata[1:4]),
    ):
        WorkflowStateAction.objects.create(
            state=state,
            label=f"With {field}",
            when=1,
            enabled=False,
            backend_path=f"mayan.apps.{action}",
            backend_data=json.dumps({field: [str(row.pk) for row in rows]}),
        )


def _index(types: list[DocumentType]) -> None:
    index = IndexTemplate.objects.create(label="By type", slug="by-type")
    index.document_types.set(types[:3])
    year = index.index_template_nodes.create(
        parent=index.index_template_root_node, expression="{{ document.document_type.label }}", link_documents=False
    )
    index.index_template_nodes.create(parent=year, expression="{{ document.label|slice:':4' }}", link_documents=True)


def _links(types: list[DocumentType]) -> None:
    smart = SmartLink.objects.create(label="Same label", dynamic_label="{{ document.label }}")
    smart.document_types.set(types[:2])
    SmartLinkCondition.objects.create(
        smart_link=smart, foreign_document_data="label", operator="icontains", expression="{{ document.label }}"
    )
    web = WebLink.objects.create(label="Look up", template="https://example.org/?q={{ document.uuid }}")
    web.document_types.set(types[2:4])


def _odds_and_ends(
    admin: AbstractUser, users: list[AbstractUser], types: list[DocumentType], rng: random.Random
) -> None:
    now = timezone.now()
    Announcement.objects.create(
        label="Maintenance", text="Tonight", start_datetime=now, end_datetime=now + timedelta(days=1)
    )
    for user in users[:4]:
        message = Message(user=user, subject="Welcome", body=f"Hello\n{user.username}", sender_object=admin)
        message.save()
    name, content = small_file("png", 0, rng)
    Asset.objects.create(label="Stamp", internal_name="stamp", file=ContentFile(content, name=name))
    StoredCredential.objects.create(
        label="Archive",
        internal_name="archive",
        backend_path="mayan.apps.credentials.credential_backends.CredentialBackendUsernamePassword",
        backend_data=json.dumps({"username": "archive", "password": "pässword"}),
    )
    sequence = Sequence.objects.create(
        label="Number",
        internal_name="number",
        position=2**53 + 1,
        backend_path="mayan.apps.sequences.sequence_backends.arithmetic.SequenceBackendArithmetic",
        backend_data=json.dumps({"start": 1, "step": 1}),
    )
    sequence.document_types.set(types[:2])
