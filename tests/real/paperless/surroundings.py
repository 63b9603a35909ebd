"""What stands around the documents of a paperless-ngx: people, tags in a tree, correspondents, types, paths, fields, mail.

Two systems filled with other labels share what is named without one (the administrator, some people, tags and fields),
under other ids: what a merge must match. Runs in paperless's Python, after `django.setup()`.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, Permission, User
from ids_with_gaps import with_gaps
from paperless.models import ApplicationConfiguration
from paperless_mail.models import MailAccount, MailRule, ProcessedMail
from rest_framework.authtoken.models import Token

from documents.models import Correspondent, CustomField, DocumentType, StoragePath, Tag

WHEN = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)


@dataclass
class Surroundings:
    """What documents are made with."""

    label: str
    admin: User
    users: list[User]
    groups: list[Group]
    tags: list[Tag]
    correspondents: list[Correspondent]
    types: list[DocumentType]
    paths: list[StoragePath]
    fields: dict[str, CustomField]
    rules: list[MailRule]


def make_surroundings(label: str, rng: random.Random) -> Surroundings:
    """Make all of it, with some made in between and deleted again, so that ids have gaps."""
    admin, users, groups = _people(label)
    owners = [None, admin, *users]
    tags = _tags(label, owners, rng)
    correspondents = _named(Correspondent, label, 12, owners, rng)
    types = _named(DocumentType, label, 8, owners, rng)
    paths = [
        StoragePath.objects.create(name=f"{label} by owner", path=f"{label}/{{{{ title }}}}", owner=users[0]),
        StoragePath.objects.create(name="Shared path", path="shared/{{ created_year }}/{{ title }}"),
        StoragePath.objects.create(name=f"{label} 契約", path=f"{label} 契約/{{{{ title }}}}"),
    ]
    fields = _fields(label)
    rules = _mail(label, tags, correspondents, types, users)
    _configuration(label)
    return Surroundings(label, admin, users, groups, tags, correspondents, types, paths, fields, rules)


def _people(label: str) -> tuple[User, list[User], list[Group]]:
    # What both systems have comes first in one and last in the other.
    names = [f"{label.lower()}-person{number:02}" for number in range(1, 7)]
    names = ["shared-person", *names] if label == "A" else [*names, "shared-person"]
    admin, _ = User.objects.get_or_create(username="admin", defaults={"is_superuser": True, "is_staff": True})
    users = with_gaps(
        lambda number: User.objects.create(
            username=names[number - 1] if number <= len(names) else f"{label} extra {number}",
            first_name=f"Ägidius {number}",
            password="!unusable",
        ),
        len(names),
    )
    groups = [Group.objects.create(name=name) for name in (f"{label} group", "Everyone", f"{label} readers")]
    documents = Permission.objects.filter(content_type__app_label="documents")
    for position, user in enumerate(users):
        user.groups.add(groups[position % 3])
        user.user_permissions.set(documents.filter(codename__startswith="view_"))
        if position % 2:
            Token.objects.create(user=user)
        EmailAddress.objects.create(user=user, email=f"{user.username}@example.org".replace(" ", "-"), primary=True)
    for group in groups:
        group.permissions.set(documents.filter(codename__startswith="change_"))
    Authenticator.objects.create(user=users[1], type="totp", data={"secret": f"SEED{label}", "drift": 0.5})
    SocialAccount.objects.create(user=users[2], provider="oidc", uid=f"{label}-7", extra_data={"sub": "7", "x": 1.0})
    return admin, users, groups


def _named(model: Any, label: str, count: int, owners: list[User | None], rng: random.Random) -> list[Any]:
    def make(number: int) -> Any:
        return model.objects.create(
            name=f"{label} {model.__name__} {number:02} 會社",
            match=f"match {number}",
            matching_algorithm=number % 7,
            owner=rng.choice(owners),
        )

    made = with_gaps(make, count)
    shared = model.objects.create(name=f"Shared {model.__name__}", match="", matching_algorithm=0)
    return [*made, shared]


def _tags(label: str, owners: list[User | None], rng: random.Random) -> list[Tag]:
    """A tree of three levels; one branch is shared and has leaves of its own on either side."""
    made = _named(Tag, label, 9, owners, rng)
    inbox = Tag.objects.create(name="Inbox", is_inbox_tag=True)
    leaf = Tag.objects.create(name=f"{label} leaf", color="#ff0000")
    leaf.set_parent(made[-1])
    for child, parent in ((made[1], made[0]), (made[2], made[0]), (made[3], made[2]), (made[4], made[2])):
        child.set_parent(parent)
    return [*made, inbox, leaf]


def _fields(label: str) -> dict[str, CustomField]:
    """A field of every type, plus a link and a number that both systems have."""
    made: dict[str, CustomField] = {}
    for kind in CustomField.FieldDataType.values:
        extra: dict[str, Any] | None = None
        if kind == "select":
            extra = {"select_options": [{"id": f"{label}option{n}", "label": f"Option {n}"} for n in range(3)]}
        elif kind == "monetary":
            extra = {"default_currency": "EUR", "factor": 1.0, "tiny": 1e-300}
        made[kind] = CustomField.objects.create(name=f"{label} {kind}", data_type=kind, extra_data=extra)
        if kind in ("url", "float"):
            CustomField.objects.create(name=f"{label} deleted {kind}", data_type=kind).delete()
    made["shared link"] = CustomField.objects.create(name="Shared link", data_type="documentlink")
    made["shared number"] = CustomField.objects.create(name="Shared number", data_type="integer")
    return made


def _mail(
    label: str, tags: list[Tag], correspondents: list[Correspondent], types: list[DocumentType], users: list[User]
) -> list[MailRule]:
    account = MailAccount.objects.create(
        name=f"{label} mail", imap_server="localhost", username="me", password=f"mail pässword {label}", owner=users[0]
    )
    rules = []
    for number in range(1, 4):
        rule = MailRule.objects.create(
            name=f"{label} rule {number}",
            account=account,
            assign_correspondent=correspondents[number],
            assign_document_type=types[-number],
            owner=users[number] if number > 1 else None,
        )
        rule.assign_tags.set(tags[number : number + 2])
        rules.append(rule)
        ProcessedMail.objects.create(
            rule=rule,
            folder="INBOX",
            uid=f"{label}{number}",
            subject="件名",
            received=WHEN,
            status="SUCCESS",
            owner=users[0],
        )
    return rules


def _configuration(label: str) -> None:
    one = ApplicationConfiguration.objects.get_or_create(pk=1)[0]
    one.app_title = "Archive"
    one.max_image_pixels = 1.0e9
    one.user_args = {"deskew": True, "threshold": 12.0}
    one.save()
